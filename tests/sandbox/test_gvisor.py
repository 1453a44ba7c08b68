"""`GRADER_DOCKER_RUNTIME=runsc`: the containers in gVisor, whose kernel is not the host's, say what the others say."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from grader.core.errors import SetupError
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.docker import DockerSandbox
from support.submissions import ROOT, Compile, load

ATTACKS = ROOT / "tests/fixtures/attacks"

pytestmark = [pytest.mark.docker, pytest.mark.gvisor]


@pytest.fixture(scope="module")
def in_gvisor(task: Task, facts: TaskFacts) -> Iterator[Compile]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_DOCKER_RUNTIME", "runsc")
        sandbox = DockerSandbox()
    sandbox.open(print)
    yield Compile(sandbox, task, facts)
    sandbox.close()


def test_the_kernel_is_gvisor_s(in_gvisor: Compile) -> None:
    said = in_gvisor(scheduler="import os\nraise ValueError(os.uname().release)\n").violations[0].what
    assert "4.4.0" in said  # what gVisor calls itself, whatever the host is
    assert os.uname().release not in said


def test_a_runtime_that_the_engine_does_not_have_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_DOCKER_RUNTIME", "runscc")
    with pytest.raises(SetupError, match=r"GRADER_DOCKER_RUNTIME=runscc.*It has .*runsc"):
        DockerSandbox().open(print)


def test_a_recipe_has_the_same_bits(in_gvisor: Compile, compiled: Compile) -> None:
    there, here = in_gvisor(), compiled()
    assert there.verdict is Verdict.OK, there.detail
    assert there.recipe == here.recipe


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("contract/forges-the-document", "a recipe cannot hold this"),
        ("crash/segfault", "SIGSEGV"),
        ("crash/io-uring", "io_uring_setup"),
        ("crash/many-threads", "more than 64 threads"),
        ("memory/private-memory", "1500 MB"),
        ("memory/page-tables", "1500 MB"),
        ("output/stdout", "8192 KB"),
        ("timeout/stops-itself", "less than 4 s of it was computing"),
    ],
)
def test_an_attack_ends_as_in_the_other_sandboxes(in_gvisor: Compile, name: str, says: str) -> None:
    result = in_gvisor(load(ATTACKS / name))
    assert result.verdict.value == name.split("/")[0], result.detail
    assert says in result.violations[0].what

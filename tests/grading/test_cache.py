"""Finished work: complete keys, and nothing is taken for damaged that is not."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from grader.core.environment import Environment
from grader.core.errors import SetupError
from grader.core.kind import Kind
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.grading import cache as module
from grader.grading.cache import Cache
from grader.grading.logs import Log, WorkloadLog, read_private_scores, write_log
from grader.sandbox.base import SandboxChoice
from grader.sandbox.compiled import Compiled
from grader.sandbox.factory import choose
from support.gradings import environment, graded
from support.submissions import make

RUN = SeedRun(seed=0, verdict=Verdict.OK, accuracy=0.5, seconds=1.0)


@pytest.fixture
def cache(tmp_path: Path, task: Task, facts: TaskFacts) -> Cache:
    return Cache(tmp_path, task, facts, environment())


@pytest.mark.parametrize(
    ("name", "value"), [("device", "cpu (AVX2, kernels 0)"), ("python", "3.12.0"), ("trainer", "2"), ("torch", "3")]
)
def test_a_training_in_another_environment_is_another_one(
    cache: Cache, task: Task, facts: TaskFacts, recipe: Recipe, name: str, value: str
) -> None:
    cache.keep_run(recipe, RUN)
    there = Cache(cache.folder, task, facts, Environment(**{**dict(environment()), name: value}))
    assert cache.run(recipe, 0, 10) == RUN
    assert there.run(recipe, 0, 10) is None


def test_a_compilation_by_another_compiler_is_another_one(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Compiled(verdict=Verdict.CONTRACT, sandbox="sandlock", seconds=0.1)
    cache.keep_compiled(make(), "sandlock 1, Python 3.11.7", compiled)
    assert cache.compiled(make(), "sandlock 1, Python 3.11.7") == compiled
    assert cache.compiled(make(), "sandlock 1, Python 3.12.0") is None
    assert {"core", "submissions", "sandbox"} == set(module._COMPILER)
    monkeypatch.setattr(module, "source_hash", lambda *_: "changed")
    assert cache.compiled(make(), "sandlock 1, Python 3.11.7") is None


@pytest.mark.parametrize("choice", [SandboxChoice.SANDLOCK, SandboxChoice.NONE])
def test_a_sandbox_names_the_python_and_the_libraries_that_code_meets(choice: SandboxChoice) -> None:
    for name in ("Python 3.", "torch ", "torchvision ", "numpy ", "pillow "):
        assert name in choose(choice).version


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_what_cannot_be_read_now_is_an_error_and_stays_where_it_is(
    cache: Cache, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cache.keep_run(recipe, RUN)
    (path,) = cache.folder.rglob("*.json")

    def fails(_: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fails)
        with pytest.raises(SetupError, match=os.strerror(number)):
            cache.run(recipe, 0, 10)
    assert path.exists()
    assert cache.damaged() == []
    assert cache.run(recipe, 0, 10) == RUN


@pytest.mark.parametrize("damage", [b"", b"\0" * 50, b"{}", b'{"seed": 0'])
def test_what_cannot_be_parsed_is_kept_aside(cache: Cache, recipe: Recipe, damage: bytes) -> None:
    cache.keep_run(recipe, RUN)
    (path,) = cache.folder.rglob("*.json")
    path.write_bytes(damage)
    assert cache.run(recipe, 0, 10) is None
    (aside,) = cache.damaged()
    assert aside.read_bytes() == damage
    assert not path.exists()


def _withhold(folder: str, writer: int) -> None:
    for n in range(25):
        row = graded(f"files {writer} {n}", 0.5, 1)
        compiled = Compiled(verdict=Verdict.OK, sandbox="none", seconds=0.0)
        run = SeedRun(seed=0, verdict=Verdict.OK, accuracy=0.5, seconds=1.0, final=writer + n / 100)
        write_log(Path(folder), Log(row=row, workloads=(WorkloadLog(compiled=compiled, runs=(run,)),)))


def test_two_graders_lose_no_withheld_score(tmp_path: Path) -> None:
    """Both grade the same student, on and on."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_withhold, args=(str(tmp_path), n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    found = read_private_scores(tmp_path, Kind.STUDENT, "ada")
    assert found is not None
    assert {name: score.accuracy for name, (score,) in found.gradings.items()} == {
        f"files {writer} {n}": writer + n / 100 for writer in range(3) for n in range(25)
    }
    assert b"final" not in (tmp_path / "submissions/student/ada/log.json").read_bytes().replace(b'"final": null', b"")

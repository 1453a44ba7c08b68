"""Nothing that the repository ships installs a name from a public index that is not ours to publish under."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from grader.core.extras import _MODULES, DISTRIBUTION, Extra
from support.submissions import ROOT

#: A call that would ask an index for the distribution, or for the stranger's package that is called grader.
FROM_AN_INDEX = re.compile(
    r"(?:(?:pip3?|pipx|uv|uv tool|poetry|conda)\b[^\n`]*? (?:install|run|add|--from|--with)\b|\buvx\b)[^\n`]*?"
    r"[ '\"](?:grader|lr[-_]scheduler[-_]grader)(?:\[[\w, ]*\])?(?:[=<>~!][^\s`]*)?['\"]?(?=[\s`.,;:)&]|$)(?! @)"
)
#: The one way in which that call may be named.
WARNED_OF = "Do not run `pip install grader`"
NOT_TEXT = {".gz", ".zip", ".png", ".npz"}


def found_in(text: str) -> list[str]:
    return FROM_AN_INDEX.findall(text.replace(WARNED_OF, ""))


@pytest.mark.parametrize(
    "text",
    [
        "pip install grader",
        "pip install 'grader[ray]'",
        "python -m pip install --quiet grader==1.2",
        'pip install "lr-scheduler-grader[course]"',
        "uv pip install grader",
        "needs Ray: `pip install lr_scheduler_grader`.",
        "pipx run grader",
        "uvx grader check",
        "pip install torch, grader",
        "RUN pip install grader&& true",
    ],
)
def test_such_a_call_would_be_found(text: str) -> None:
    assert found_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install .",
        'pip install ".[course]"',
        'pip install "./lr_scheduler_grader-0.1.0-py3-none-any.whl[train]"',
        f'pip install "lr-scheduler-grader[train] @ git+https://example.org/grader@{"a" * 40}"',
        "pip install mutmut && mutmut run grader/core",
    ],
)
def test_the_ways_that_are_meant_are_not(text: str) -> None:
    assert not found_in(text)


def test_no_text_of_the_repository_installs_from_an_index() -> None:
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    files = [ROOT / name for name in names.stdout.decode().splitlines() if name != "tests/project/test_installs.py"]
    texts = {file: file.read_text() for file in files if file.is_file() and file.suffix not in NOT_TEXT}
    assert len(texts) > 300
    assert {str(file): calls for file, text in texts.items() if (calls := found_in(text))} == {}


def test_the_extras_are_those_of_the_project_file() -> None:
    """`grader.core.extras` says what is missing before a command starts; the project file says what is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION

    def packages(extra: str) -> set[str]:
        names = {re.match(r"[\w-]+(\[\w+\])?", line)[0] for line in project["optional-dependencies"][extra]}  # type: ignore[index]
        inner = {name for name in names if name.startswith(DISTRIBUTION)}
        return (names - inner).union(*(packages(name[len(DISTRIBUTION) + 1 : -1]) for name in inner))

    assert set(_MODULES[Extra.TRAIN]) == packages("train")
    modules = {"pyyaml": "yaml"}
    course = {modules.get(name, name) for name in packages("course")}
    assert set(_MODULES[Extra.COURSE]) == course - {"sandlock"}  # not on every system
    assert set(_MODULES[Extra.RAY]) <= packages("ray")

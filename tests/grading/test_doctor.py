"""`grader doctor`: what holds is found out by trying, and what does not is said with its remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.grading import doctor as module
from grader.grading.doctor import State, examine
from grader.sandbox import docker, sandlock
from grader.sandbox.base import Sandbox
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.plain import PlainSandbox


def doctor(where: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader", "doctor", *arguments], cwd=where, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.docker
def test_a_machine_that_can_grade_is_told_so(docker_box: DockerSandbox, tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {f["name"]: f for f in json.loads(done.stdout)}
    assert {"sandbox docker", "sandbox sandlock", "GPU", "task digits", "memory", "results", "leaderboard"} < set(found)
    for name in ("sandbox docker", "sandbox sandlock"):
        assert found[name]["state"] == "ok"
        assert found[name]["what"].startswith("tried: ")
    assert "1438 + 1077 images" in found["task digits"]["what"]


def test_without_an_engine_it_says_what_to_install(tmp_path: Path) -> None:
    done = doctor(tmp_path, DOCKER_HOST="unix:///nowhere/docker.sock", COLUMNS="200")
    assert "note    sandbox docker: no Docker engine answers" in done.stdout
    assert "Install and start Docker Engine" in done.stdout
    assert done.returncode == 0  # the other sandbox will do
    assert "this machine can grade" in done.stdout


def test_a_task_and_a_board_that_are_wrong_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\nmodel = "lenet"\n[data]\nsource = "folder"\npath = "nowhere"\n')
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard/leaderboard.json").write_text("{")
    (tmp_path / "results").write_text("a file where a folder should be")
    done = doctor(tmp_path, "--task", "mine.toml", DOCKER_HOST="unix:///nowhere/docker.sock", COLUMNS="200")
    assert done.returncode == 3
    assert "failed  task mine: " in done.stdout
    assert "nowhere" in done.stdout
    assert "failed  results: " in done.stdout
    assert "note    board: " in done.stdout
    assert "cannot grade yet" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_sandbox_that_holds_nothing_is_found_out() -> None:
    """The trial on a plain process: it must see every door that is open there."""
    wrong = module._tried(PlainSandbox())
    assert {"connect over the network", "start a process", "read a file of yours", "write beside your files"} < set(
        wrong
    )
    assert "compute for ever" not in wrong  # that, a plain process is kept from


def test_a_machine_without_any_sandbox_cannot_grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "unusable", lambda: "no engine")
    monkeypatch.setattr(sandlock, "unusable", lambda: "an old kernel")
    found = {f.name: f for f in examine("digits", tmp_path / "r", tmp_path / "b/board.json")}
    assert found["sandboxes"].state is State.FAILED
    assert "Linux 6.12" in found["sandboxes"].mend


def test_a_sandbox_that_does_not_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sandbox: Sandbox, beside: Path | None = None) -> list[str]:
        raise module.SetupError("the worker did not run")

    monkeypatch.setattr(module, "_tried", broken)
    finding = module._sandbox(module.SandboxName.SANDLOCK, lambda: None)
    assert finding.state is State.FAILED
    assert "did not run" in finding.what

"""`grader doctor`: what holds is found out by trying, and what does not is said with its remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.core.errors import SetupError
from grader.grading import doctor as module
from grader.grading.doctor import State, examine
from grader.sandbox import docker, sandlock
from grader.sandbox.base import Sandbox, SandboxName
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.plain import PlainSandbox
from support.patched import Patched


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
        assert "; tried, and refused: network, sockets, processes, " in found[name]["what"]
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


_ALLOW = "system_calls.ALLOWED"
_NOBODY = "zygote._become_nobody = lambda: None"
#: What is switched off, and what student code could then do, as the doctor finds by trying.
SWITCHED_OFF = {
    "the list of system calls": (
        "system_calls.restrict = lambda libc: None",
        {"sockets", "processes", "objects", "locks", "sharing"},
    ),
    "no sockets": (f"{_ALLOW}['socket'] = (41, 198)", {"sockets"}),
    "threads only": (
        f"del system_calls.CONDITIONS['clone']; {_ALLOW} |= dict(clone=(56, 220), fork=(57, None))",
        {"processes"},
    ),
    "no objects": (f"{_ALLOW} |= dict(semget=(64, 190), semctl=(66, 191))", {"objects"}),
    "no locks": (f"{_ALLOW}['flock'] = (73, 32)", {"locks"}),
    "private memory only": (f"del system_calls.CONDITIONS['mmap']; {_ALLOW}['mmap'] = (9, 222)", {"sharing"}),
    "reading files only": (
        f"del system_calls.CONDITIONS['open'], system_calls.CONDITIONS['openat']; {_ALLOW} |= dict(openat=(257, 56), "
        f"unlink=(87, None), unlinkat=(263, 35)); {_NOBODY}; sandlock.confine = lambda policy: None",
        {"files", "reading", "writing"},
    ),
    "signals to itself only": (
        f"del system_calls.CONDITIONS['kill']; {_ALLOW}['kill'] = (62, 129); {_NOBODY}; "
        "sandlock.confine = lambda policy: None",
        {"signals", "reading"},
    ),
    "what may be read": (f"{_NOBODY}; sandlock.confine = lambda policy: None", {"reading"}),
    "limits": ("lockdown._limit_resources = lambda *limits: None", {"limits"}),
}


@pytest.mark.parametrize("what", SWITCHED_OFF)
def test_without_a_protection_the_doctor_says_what_student_code_could_do(what: str, tmp_path: Path) -> None:
    """Each is switched off alone: what it holds is then open, and nothing else."""
    patch, expected = SWITCHED_OFF[what]
    box = Patched(patch, 1)  # as on Linux 5.13: what later kernels hold besides would hide what is missing
    box.open(print)
    try:
        wrong = set(module._tried(box, tmp_path))
    finally:
        box.close()
    assert wrong >= {module._WORDS[name] for name in expected}
    if what != "the list of system calls":
        assert wrong == {module._WORDS[name] for name in expected}


@pytest.mark.parametrize("abi", [None, 1])
def test_with_all_protections_nothing_is_open(abi: int | None, tmp_path: Path) -> None:
    box = Patched("pass", abi)
    box.open(print)
    try:
        assert module._tried(box, tmp_path) == []
    finally:
        box.close()


def test_a_machine_without_any_sandbox_cannot_grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "unusable", lambda: "no engine")
    monkeypatch.setattr(sandlock, "unusable", lambda: "an old kernel")
    found = {f.name: f for f in examine("digits", tmp_path / "r", tmp_path / "b/board.json")}
    assert found["sandboxes"].state is State.FAILED
    assert "Linux 5.13" in found["sandboxes"].mend


def test_a_sandbox_that_does_not_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sandbox: Sandbox, beside: Path | None = None) -> list[str]:
        raise SetupError("the worker did not run")

    monkeypatch.setattr(module, "_tried", broken)
    finding = module._sandbox(SandboxName.SANDLOCK, lambda: None)
    assert finding.state is State.FAILED
    assert "did not run" in finding.what

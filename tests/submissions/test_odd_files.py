"""What lies where a file is expected need not be one: named, never waited for. Each test has seconds, or it hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.submissions import CONFIG, MANIFEST, ROOT, SCHEDULER


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def _folder(path: Path) -> None:
    path.mkdir()


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


KINDS = [_pipe, _socket, _folder, _endless, _terminal, _loop]
Make = Callable[[Path], None]


def honest(folder: Path) -> Path:
    import json

    folder.mkdir(parents=True)
    (folder / "scheduler.py").write_text(SCHEDULER)
    (folder / "config.py").write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 1"))
    (folder / "submission.json").write_text(json.dumps(MANIFEST))
    return folder


def grader(*arguments: str | Path, where: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "grader", *map(str, arguments)]
    done = subprocess.run(call, cwd=where, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done


@pytest.mark.parametrize("make", KINDS)
def test_in_a_class_they_are_named_and_the_others_graded(tmp_path: Path, make: Make) -> None:
    folder = tmp_path / "class"
    honest(folder / "ada")
    make(folder / "odd")
    make(folder / "odd.zip")
    make(folder / "odd.tar.gz")
    make(honest(folder / "bob") / "attribution")
    inside = honest(folder / "eve")
    (inside / "scheduler.py").unlink()
    make(inside / "scheduler.py")
    (tmp_path / "reference").mkdir()
    done = grader(
        "run", folder, "--sandbox", "sandlock", "--task", ROOT / "tests/fixtures/tasks/lenet.toml", "--device", "cpu",
        "--reference", tmp_path / "reference", where=tmp_path,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert all(f"skipped '{name}'" in said for name in ("odd", "odd.zip", "odd.tar.gz")), said
    assert "eve" in said
    similar = grader("similarity", folder, "--sandbox", "sandlock", "--out", tmp_path / "report", where=tmp_path)
    assert similar.returncode == 0, similar.stderr


@pytest.mark.parametrize("make", KINDS)
def test_in_one_submission_they_are_its_violation(tmp_path: Path, make: Make) -> None:
    folder = honest(tmp_path / "mine")
    (folder / "config.py").unlink()
    make(folder / "config.py")
    done = grader("check", folder, where=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "config.py" in done.stdout


@pytest.mark.parametrize("make", KINDS)
def test_as_a_task_its_model_or_an_image_they_are_the_task_s_fault(tmp_path: Path, make: Make) -> None:
    honest(tmp_path / "class/ada")
    make(tmp_path / "task.toml")
    done = grader("run", "class", "--sandbox", "sandlock", "--task", "task.toml", where=tmp_path)
    assert (done.returncode, "task.toml" in done.stderr) == (3, True), done.stderr
    make(tmp_path / "model.py")
    text = 'name = "own"\nmodel = "{}"\nseeds = [0]\n[data]\nsource = "{}"\n'
    (tmp_path / "own.toml").write_text(text.format("model.py:Net", "digits"))
    done = grader("run", "class", "--sandbox", "sandlock", "--task", "own.toml", where=tmp_path)
    assert (done.returncode, "model.py" in done.stderr) == (3, True), done.stderr
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            make(tmp_path / "images" / part / name / "0.png")
    (tmp_path / "images.toml").write_text(text.format("lenet", "folder") + 'path = "images"\n')
    done = grader("run", "class", "--sandbox", "sandlock", "--task", "images.toml", where=tmp_path)
    assert (done.returncode, "0.png" in done.stderr) == (3, True), done.stderr

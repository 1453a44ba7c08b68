"""What lies where a file is expected need not be one: named, never waited for. Whoever waits is interrupted."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.core.errors import TaskError
from grader.core.task_file import load
from grader.submissions.loader import handed_in, only
from grader.training import data, models
from support.runs import rows, run
from support.submissions import CONFIG, LENET, MANIFEST, SCHEDULER


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
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
    folder.mkdir(parents=True)
    (folder / "scheduler.py").write_text(SCHEDULER)
    (folder / "config.py").write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 1"))
    (folder / "submission.json").write_text(json.dumps(MANIFEST))
    return folder


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Whoever waits for a pipe is interrupted, and the test fails."""
    signal.signal(signal.SIGALRM, lambda number, frame: pytest.fail("it waited"))
    signal.alarm(100)
    yield
    signal.alarm(0)


def test_in_a_class_they_are_named_and_the_others_graded(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    honest(folder / "ada")
    names = []
    for make in KINDS:
        kind = make.__name__
        names += [f"odd{kind}", f"odd{kind}.zip", f"odd{kind}.tar.gz"]
        for name in names[-3:]:
            make(folder / name)
        make(honest(folder / f"beside{kind}") / "attribution")
        inside = honest(folder / f"inside{kind}")
        (inside / "scheduler.py").unlink()
        make(inside / "scheduler.py")
    done = run(folder, "--sandbox", "sandlock", "--task", str(LENET), where=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said
    folders = [f"odd_folder{suffix}" for suffix in ("", ".zip", ".tar.gz")]  # empty hand-ins
    assert [name for name in names if f"skipped '{name}'" not in said] == folders
    verdicts = {name: row["verdict"] for (kind, name), row in rows(tmp_path).items() if kind == "student"}
    assert verdicts == {
        "ada": "ok",
        **dict.fromkeys(folders, "contract"),
        **{f"beside{make.__name__}": "ok" for make in KINDS},
        **{f"inside{make.__name__}": "contract" for make in KINDS},
    }


@pytest.mark.parametrize("make", KINDS)
def test_in_one_submission_they_are_its_violation(tmp_path: Path, make: Make) -> None:
    folder = honest(tmp_path / "mine")
    (folder / "config.py").unlink()
    make(folder / "config.py")
    for found in (only(folder), handed_in(folder, "mine")):
        assert [problem.file for problem in found.problems] == ["config.py"]


@pytest.mark.parametrize("make", KINDS)
def test_as_a_task_its_model_or_an_image_they_are_the_task_s_fault(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "task.toml")
    with pytest.raises(TaskError, match=r"task\.toml"):
        load(str(tmp_path / "task.toml"))
    make(tmp_path / "model.py")
    text = 'name = "own"\nmodel = "{}"\nseeds = [0]\n[data]\nsource = "{}"\n'
    (tmp_path / "own.toml").write_text(text.format("model.py:Net", "digits"))
    with pytest.raises(TaskError, match=r"model\.py"):
        models.build(load(str(tmp_path / "own.toml")), 10, 0)
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            make(tmp_path / "images" / part / name / "0.png")
    (tmp_path / "images.toml").write_text(text.format("lenet", "folder") + 'path = "images"\n')
    with pytest.raises(TaskError, match=r"0\.png"):
        data.load(load(str(tmp_path / "images.toml")))

"""A task that cannot be trained on is the task's fault, and is said before anybody is graded."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from grader.core.errors import TaskError
from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.core.task_file import load
from grader.core.verdict import Verdict
from grader.training import process as process_module
from grader.training.pool import TrainerPool
from support.runs import MODEL, make_class, rows, run
from support.submissions import CONFIG, LENET


def task_with(where: Path, name: str, **changes: str) -> Path:
    """LeNet's task with some of its lines replaced; a line that it has not goes before `[data]`."""
    lines = LENET.read_text().splitlines()
    for key, value in changes.items():
        new = f"{key} = {value}"
        there = [n for n, line in enumerate(lines) if line.startswith(f"{key} =")]
        if there:
            lines[there[0]] = new
        else:
            lines.insert(next(n for n, line in enumerate(lines) if line.startswith("[")), new)
    path = where / f"{name}.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_limit_s": "0.001"}, "timeout"),
        ({"image": "[1, 8, 8]"}, "at least 16x16"),
        ({"max_steps": "3"}, "this task allows 3"),
    ],
    ids=["no time", "images that do not fit", "no steps"],
)
def test_a_task_on_which_the_default_gets_no_score_grades_nobody(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    task = task_with(tmp_path, "narrow", **changes)
    done = run(make_class(tmp_path / "class", 2), "--sandbox", "sandlock", "--task", str(task), where=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_ends_its_process_is_the_task_s_fault(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(MODEL.format(fault="os._exit(0)"))
    task = task_with(tmp_path, "leaves", model='"model.py:Net"')
    done = run(make_class(tmp_path / "class", 1), "--sandbox", "sandlock", "--task", str(task), where=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the task's model or data ended the process" in done.stderr


def test_a_training_over_the_task_s_memory_fails_alone(tmp_path: Path) -> None:
    """It really allocates: its process stays, and who trains beside it does not notice."""
    folder = make_class(tmp_path / "class", 4)
    (folder / "student01/config.py").write_text(CONFIG.replace("batch_size = 64", "batch_size = 1000"))
    # Held by a frame of the error, to the last 16 MB.
    fault = "kept = []\n        while images.shape[0] > 900 and self.training:\n"
    fault += "            kept.append(torch.ones(1 << 22))"
    (tmp_path / "model.py").write_text(MODEL.format(fault=fault))
    task = task_with(tmp_path, "small", model='"model.py:Net"', memory_mb="1024")
    done = run(folder, "--sandbox", "sandlock", "--task", str(task), where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: row["verdict"] for (kind, name), row in rows(tmp_path).items() if kind == "student"}
    assert found == {"student00": "ok", "student01": "memory", "student02": "ok", "student03": "ok"}
    assert "1024 MB that the task allows, with batches of 1000 images" in done.stdout + str(
        rows(tmp_path)["student", "student01"]
    )


def test_a_training_that_the_kernel_ends_for_memory_is_its_own(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told from any other death by the kernel's own count; here the test kills, and counts. It is tried once more."""
    monkeypatch.chdir(tmp_path)
    fault = "Path('up').touch() if self.training and images.shape[0] == 64 else None\n"
    fault += "        while self.training and images.shape[0] == 64: pass"
    (tmp_path / "model.py").write_text(MODEL.format(fault=fault))
    trainers = TrainerPool(load(str(task_with(tmp_path, "grows", model='"model.py:Net"'))), "cpu", 1)
    trainers.facts()
    (tmp_path / "up").unlink(missing_ok=True)
    counted = [0]
    monkeypatch.setattr(process_module, "oom_kills", lambda: counted[0])
    found = []
    thread = threading.Thread(target=lambda: found.append(trainers.train(recipe, 0, 100, lambda _: None)))
    thread.start()
    for kills in (1, 2):
        while not (tmp_path / "up").exists() and thread.is_alive():
            thread.join(0.05)
        (tmp_path / "up").unlink()
        counted[0] = kills
        os.kill(trainers._all[0]._process.pid, signal.SIGKILL)
    thread.join(30)
    trainers.close()
    assert [run.verdict for run in found] == [Verdict.MEMORY]
    assert "ended by the kernel" in str(found[0].violations[0])


def test_a_wrong_task_is_said_at_its_place(tmp_path: Path, task: Task) -> None:
    for changes in ({"seeds": "[true]"}, {"time_limit_s": '"300"'}, {"memory_mb": "1"}):
        with pytest.raises(TaskError, match=next(iter(changes))):
            load(str(task_with(tmp_path, "wrong", **changes)))


def test_what_is_no_submission_is_named_in_groups(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 1)
    for n in range(200):
        (folder / f"broken{n:03}").symlink_to("nowhere")
        (folder / f"file{n:03}.txt").touch()
    done = run(folder, "--sandbox", "sandlock", "--task", str(LENET), where=tmp_path)
    assert done.returncode == 0, done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("skipped")]
    assert len(said) == 42
    assert "skipped 'broken000': " in said[0]
    assert sum("skipped 180 more for the same reason: " in line for line in said) == 2

"""The time limit on a CPU: the training's own time, not the machine's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from grader.core.errors import InternalError
from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.core.task_file import load
from grader.core.verdict import Verdict
from grader.training import data, loop
from grader.training import pool as pool_module
from grader.training import process as process_module
from grader.training.deadline import Deadline
from grader.training.pool import TrainerPool
from support.recipes import CPU, bent
from support.submissions import LENET

MODEL = """
import time
from grader.training.models import LeNet

class Net(LeNet):
    def forward(self, images):
        {0}
        return super().forward(images)
"""


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_waiting_is_not_computing() -> None:
    deadline = Deadline(0.2, CPU)
    time.sleep(0.3)
    assert not deadline.passed()
    burn(0.25)
    assert deadline.passed()
    assert deadline.certain


def test_the_clock_ends_it_at_three_times_the_limit_and_nothing_is_certain_then() -> None:
    deadline = Deadline(0.1, CPU)
    time.sleep(0.35)
    assert deadline.passed()
    assert not deadline.certain


def test_on_a_gpu_it_is_the_clock() -> None:
    deadline = Deadline(0.1, torch.device("cuda"))
    burn(0.02)
    assert not deadline.passed()
    time.sleep(0.12)
    assert deadline.passed()
    assert not deadline.certain


def slowed(folder: Path, line: str) -> Task:
    """The embedded images with a model whose every forward pass begins with `line`."""
    (folder / "model.py").write_text(MODEL.format(line))
    text = LENET.read_text()
    (folder / "slow.toml").write_text(text.replace('model = "lenet"', 'model = "model.py:Net"'))
    return load(str(folder / "slow.toml"))


def test_a_busy_machine_times_nobody_out(tmp_path: Path, recipe: Recipe) -> None:
    """The processor is given to others for a while in every step: three times the limit would be another matter."""
    task = slowed(tmp_path, "time.sleep(0.02)")
    loop.prepare_process(CPU)
    images = data.load(task)
    alone = loop.train(recipe, task, images, 0, CPU, 60)
    limit = max(0.6 * alone.seconds, 0.5)
    run = loop.train(recipe, task, images, 0, CPU, limit)
    assert run.seconds > limit
    assert (run.verdict, run.accuracy) == (Verdict.OK, alone.accuracy)


def test_who_computes_too_long_is_timed_out_for_certain(tmp_path: Path, recipe: Recipe) -> None:
    task = slowed(tmp_path, "sum(range(2_000_000))")
    loop.prepare_process(CPU)
    run = loop.train(recipe, task, data.load(task), 0, CPU, 0.5)
    assert (run.verdict, run.certain, run.limit_s) == (Verdict.TIMEOUT, True, 0.5)


def test_a_process_that_does_not_start_is_no_training_s_fault(
    task: Task, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "START_SECONDS", 0.01)
    pool = TrainerPool(task, "cpu", 1)
    try:
        with pytest.raises(InternalError, match="did not start"):
            pool.train(recipe, 0, 60, lambda _: None)
        monkeypatch.undo()
        assert pool.train(recipe, 0, 60, lambda _: None).verdict is Verdict.OK
    finally:
        pool.close()


def test_a_training_that_does_not_answer_is_not_certain(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs outside of our reach is ended from outside, and made again by the next run."""
    monkeypatch.setattr(pool_module, "_GRACE_SECONDS", 0.5)
    pool = TrainerPool(slowed(tmp_path, "time.sleep(60 if self.training and len(images) == 64 else 0)"), "cpu", 1)
    try:
        run = pool.train(bent(recipe), 0, 3, lambda _: None)  # more than what comes before the first step computes
        assert (run.verdict, run.certain) == (Verdict.TIMEOUT, False)
    finally:
        pool.close()

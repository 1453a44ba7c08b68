"""The reference schedulers: torch's own schedules, written from the formulas, on every task's board."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from support.submissions import ROOT, Compile
from torch.optim import lr_scheduler as theirs

from grader.submissions.references import DEFAULT, references_for
from grader.core.task import Task, TaskFacts

FOLDER = ROOT / "reference"
STEPS = 4000
BASES = (0.1, 0.03, 1e-3)
MILESTONES = [1200, 2400, 3200]


def optimizer() -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in BASES]
    return torch.optim.SGD(groups, lr=0.5, momentum=0.9)


def ours(name: str, **arguments: Any) -> list[list[float]]:
    kind = runpy.run_path(str(FOLDER / name / "scheduler.py"))["CustomLRScheduler"]
    target = optimizer()
    scheduler = kind(target, **arguments)
    rates = []
    for _ in range(STEPS):
        rates.append([group["lr"] for group in target.param_groups])
        target.step()
        scheduler.step()
    return rates


def stepped(make: Callable[[torch.optim.Optimizer], Any]) -> list[list[float]]:
    """What torch's class gives when it is stepped."""
    target = optimizer()
    scheduler = make(target)
    rates = []
    for _ in range(STEPS):
        rates.append([group["lr"] for group in target.param_groups])
        target.step()
        scheduler.step()
    return rates


def closed(make: Callable[[torch.optim.Optimizer], Any]) -> list[list[float]]:
    """torch's own closed form, where stepping piles up roundings."""
    scheduler = make(optimizer())
    rates = []
    for step in range(STEPS):
        scheduler.last_epoch = step
        rates.append([float(rate) for rate in scheduler._get_closed_form_lr()])
    return rates


def constant_after(make: Callable[[torch.optim.Optimizer], Any], total: int) -> list[list[float]]:
    rates = closed(make)
    return [rates[min(step, total)] for step in range(STEPS)]


def warmed(warmup: int, after: list[list[float]]) -> list[list[float]]:
    """Torch's linear warmup, then the rates of another schedule."""
    return closed(lambda o: theirs.LinearLR(o, start_factor=0.01, total_iters=warmup))[:warmup] + after


def one_cycle() -> list[list[float]]:
    """Torch's class stops with an error after its last step, so the last one is not stepped over."""
    target = optimizer()
    scheduler = theirs.OneCycleLR(target, list(BASES), STEPS, cycle_momentum=False)
    rates = [[group["lr"] for group in target.param_groups]]
    for _ in range(STEPS - 1):
        target.step()
        scheduler.step()
        rates.append([group["lr"] for group in target.param_groups])
    return rates


def step(o: torch.optim.Optimizer) -> Any:
    return theirs.MultiStepLR(o, MILESTONES, gamma=0.2)


def cosine(total: int) -> Callable[[torch.optim.Optimizer], Any]:
    return lambda o: theirs.CosineAnnealingLR(o, total, eta_min=1e-5)


CASES: dict[str, tuple[dict[str, Any], Callable[[], list[list[float]]]]] = {
    "constant": ({}, lambda: stepped(lambda o: theirs.ConstantLR(o, factor=1.0))),
    "step": ({"milestones": MILESTONES, "gamma": 0.2}, lambda: closed(step)),
    "exponential": ({"gamma": 0.999}, lambda: closed(lambda o: theirs.ExponentialLR(o, 0.999))),
    "cosine": ({"t_max": 3500, "eta_min": 1e-5}, lambda: constant_after(cosine(3500), 3500)),
    "cosine_restarts": (
        {"t_0": 300, "t_mult": 2, "eta_min": 1e-5},
        lambda: stepped(lambda o: theirs.CosineAnnealingWarmRestarts(o, 300, 2, eta_min=1e-5)),
    ),
    "linear": (
        {"total": 3500, "end_factor": 0.01},
        lambda: closed(lambda o: theirs.LinearLR(o, 1.0, 0.01, total_iters=3500)),
    ),
    "polynomial": ({"total": 3500, "power": 2.0}, lambda: closed(lambda o: theirs.PolynomialLR(o, 3500, 2.0))),
    "sqrt": ({"total": 3500}, lambda: closed(lambda o: theirs.PolynomialLR(o, 3500, 0.5))),
    "warmup_constant": (
        {"warmup": 400, "start_factor": 0.01},
        lambda: closed(lambda o: theirs.LinearLR(o, start_factor=0.01, total_iters=400)),
    ),
    "warmup_step": (
        {"warmup": 400, "milestones": MILESTONES, "gamma": 0.2, "start_factor": 0.01},
        lambda: warmed(400, closed(step)[400:]),
    ),
    "warmup_cosine": (
        {"warmup": 400, "total": 3900, "eta_min": 1e-5, "start_factor": 0.01},
        lambda: warmed(400, constant_after(cosine(3500), 3500)[: STEPS - 400]),
    ),
    "one_cycle": ({"total": STEPS}, one_cycle),
    "cyclic": (
        {"step_size": 350, "low": 0.1},
        lambda: stepped(
            lambda o: theirs.CyclicLR(o, [0.1 * b for b in BASES], list(BASES), step_size_up=350, cycle_momentum=False)
        ),
    ),
}


def test_every_reference_is_compared() -> None:
    assert set(CASES) == {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert len(CASES) == 13


@pytest.mark.parametrize("name", CASES)
def test_a_reference_is_torchs_schedule(name: str) -> None:
    arguments, expected = CASES[name]
    for number, (mine, other) in enumerate(zip(ours(name, **arguments), expected(), strict=True)):
        for base, a, b in zip(BASES, mine, other, strict=True):
            # Relative to the rate, and where that goes to zero to the last bits of the initial one.
            assert abs(a - b) <= 1e-12 * abs(b) + 1e-16 * base, (name, number, a, b)


@pytest.mark.parametrize("name", CASES)
def test_a_reference_fills_any_training(name: str, compiled: Compile, task: Task, facts: TaskFacts) -> None:
    """It compiles, cites its source, and its shape is that of the whole training, long or short."""
    (entry,) = [e for e in references_for(None, facts) if e.submission.id == name]
    result = compiled(entry.submission)
    assert result.recipe is not None, result.violations
    rates = list(result.recipe.groups[0].lr.expand())
    assert b"http" in entry.submission.files["submission.json"] or name == DEFAULT
    if name not in ("constant", "cyclic"):
        assert len(set(rates)) > 1
    if name in ("cosine", "linear", "polynomial", "sqrt", "warmup_cosine", "one_cycle", "cosine_restarts"):
        assert rates[-1] < 0.15 * max(rates)
    if name.startswith(("warmup", "one_cycle")):
        top = rates.index(max(rates))
        assert 0 < top < len(rates) / 2
        assert all(a < b for a, b in pairwise(rates[: top + 1]))


@pytest.mark.parametrize("n_train", [1, 64, 65, 1000])
def test_references_stand_the_smallest_tasks(n_train: int, compiled: Compile, facts: TaskFacts) -> None:
    few = facts.model_copy(update={"n_train": n_train})
    for entry in references_for(None, few):
        namespace: dict[str, Any] = {}
        exec(entry.submission.files["config.py"], namespace)
        kind = runpy.run_path(str(FOLDER / entry.submission.id / "scheduler.py"))["CustomLRScheduler"]
        target = optimizer()
        scheduler = kind(target, **namespace["CONFIG"].lrs_kwargs)
        for _ in range(namespace["CONFIG"].num_epochs * -(-n_train // 64)):
            assert all(0 <= group["lr"] < 1 for group in target.param_groups), entry.submission.id
            target.step()
            scheduler.step()

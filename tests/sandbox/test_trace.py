"""The recorded learning rates are, bit for bit, those of the plain loop."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from grader.core.recipe import Series, steps_per_epoch
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.base import job_of, limits_of
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.intake import discover
from grader.submissions.loader import Submission
from grader.training import models
from support.submissions import CONFIG, ROOT, SCHEDULER, Compile, load, make

SAMPLES = {s.id: s for s in discover(ROOT / "submissions").submissions} | {
    s.id: s for s in discover(ROOT / "reference").submissions
}
REJECTED = {"kim-imported-scheduler", "lena-untouched", "nia-attribute-too-late", "olu-late-nan", "zed-endless-loop",
            "zoe-reads-the-server", "zora-forges-a-score"}  # fmt: skip
OK_FIXTURES = {p.name: load(p) for p in sorted((ROOT / "tests/fixtures/submissions/ok").iterdir())}


def plain_loop(submission: Submission, task: Task, facts: TaskFacts) -> list[list[dict[str, Any]]]:
    """What a student's own loop would use: per step, per group, every hyperparameter."""
    modules: dict[str, Any] = {}
    for name in ("scheduler", "config"):
        module = ModuleType(name)
        sys.modules[name] = module
        exec(compile(submission.files[f"{name}.py"], name, "exec"), module.__dict__)
        modules[name] = module
    config = modules["config"].CONFIG
    model = models.build(task, facts.classes, seed=0)
    optimizer = config.optimizer_factory(model)
    scheduler = modules["scheduler"].CustomLRScheduler(optimizer, **config.lrs_kwargs)
    seen = []
    for _ in range(config.num_epochs):
        for _ in range(steps_per_epoch(facts.n_train, config.batch_size)):
            seen.append([{k: _copy(v) for k, v in g.items() if k != "params"} for g in optimizer.param_groups])
            optimizer.step()
            scheduler.step()
    return seen


def _copy(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor) else list(value) if isinstance(value, tuple) else value


def assert_same(recipe: dict[str, Any], seen: list[list[dict[str, Any]]]) -> None:
    for index, group in enumerate(recipe["groups"]):
        for name, runs in {"lr": group["lr"], **group["others"]}.items():
            recorded = [v for v, n in zip(runs["values"], runs["counts"], strict=True) for _ in range(n)]
            used = [step[index][name] for step in seen]
            assert len(recorded) == len(used)
            assert all(a == b for a, b in zip(recorded, used, strict=True)), (index, name)
            if name == "lr":
                assert [v.hex() for v in recorded] == [float(v).hex() for v in used]


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - REJECTED) + sorted(OK_FIXTURES))
def test_trace_of_a_submission_equals_the_plain_loop(
    name: str, compiled: Compile, task: Task, facts: TaskFacts
) -> None:
    submission = SAMPLES.get(name) or OK_FIXTURES[name]
    result = compiled(submission)
    assert result.verdict is Verdict.OK, result.violations
    assert result.recipe is not None
    assert_same(result.recipe.model_dump(mode="json"), plain_loop(submission, task, facts))


WRAPPED = {
    "ConstantLR": "factor=0.25, total_iters=7",
    "CosineAnnealingLR": "T_max=17, eta_min=1e-4",
    "CosineAnnealingWarmRestarts": "T_0=5, T_mult=2",
    "CyclicLR": "base_lr=0.01, max_lr=0.1, step_size_up=7",
    "ExponentialLR": "gamma=0.93",
    "LambdaLR": "lr_lambda=lambda n: 1 / (1 + n)",
    "LinearLR": "start_factor=0.2, total_iters=11",
    "MultiStepLR": "milestones=[5, 20], gamma=0.3",
    "MultiplicativeLR": "lr_lambda=lambda n: 0.97",
    "OneCycleLR": "max_lr=0.2, total_steps=60",
    "PolynomialLR": "total_iters=30, power=1.7",
    "StepLR": "step_size=9, gamma=0.5",
    "ChainedScheduler": None,
    "SequentialLR": None,
    "SWALR": "swa_lr=0.01, anneal_epochs=9",
}
COMBINED = {
    "ChainedScheduler": "L.ChainedScheduler([L.ConstantLR(optimizer), L.ExponentialLR(optimizer, 0.9)])",
    "SequentialLR": "L.SequentialLR(optimizer, [L.LinearLR(optimizer), L.ExponentialLR(optimizer, 0.9)], [12])",
}


def wrapping(name: str) -> str:
    """A submission whose scheduler hides one of torch's behind its own name."""
    module = "torch.optim.swa_utils" if name == "SWALR" else "torch.optim.lr_scheduler"
    inner = COMBINED.get(name) or f"getattr(importlib.import_module({module!r}), {name!r})(optimizer, {WRAPPED[name]})"
    return f"""
import importlib
import torch.optim.lr_scheduler as L

class CustomLRScheduler(L._LRScheduler):
    def __init__(self, optimizer):
        self.inner = {inner}
        self.optimizer = optimizer

    def get_lr(self):
        return self.inner.get_last_lr()

    def step(self, epoch=None):
        self.inner.step()
"""


def test_every_scheduler_of_torch_is_wrapped_here() -> None:
    concrete = {
        n
        for n, c in vars(lr_scheduler).items()
        if isinstance(c, type) and issubclass(c, lr_scheduler.LRScheduler) and n not in ("LRScheduler", "_LRScheduler")
    }
    assert concrete - {"ReduceLROnPlateau"} | {"SWALR"} == set(WRAPPED)  # that one wants a metric in each step


@pytest.mark.parametrize("name", sorted(WRAPPED))
def test_a_wrapped_torch_scheduler_is_traced_exactly_and_found_out(
    name: str, compiled: Compile, sandlock: SandlockSandbox, task: Task, facts: TaskFacts
) -> None:
    submission = make(scheduler=wrapping(name))
    outcome = sandlock.run(job_of(submission, task, facts), limits_of(task, 60))
    document = json.loads(outcome.document)
    assert_same(document["recipe"], plain_loop(submission, task, facts))
    result = compiled(submission)
    assert result.verdict is Verdict.CONTRACT
    assert result.recipe is None
    assert any(v.rule == "torch_scheduler" and name in v.what for v in result.violations), result.violations


def test_a_tensor_learning_rate_is_copied_in_every_step(compiled: Compile, task: Task, facts: TaskFacts) -> None:
    config = CONFIG.replace("lr=0.05, momentum=0.9", "lr=torch.tensor(0.05), momentum=0.9")
    result = compiled(make(config=config))
    assert result.recipe is not None, result.violations
    lr = result.recipe.groups[0].lr
    assert len(lr.values) == lr.steps == 46
    assert_same(result.recipe.model_dump(mode="json"), plain_loop(make(config=config), task, facts))


def test_series_expand_to_their_steps() -> None:
    series = Series[float](values=(0.1, 0.2), counts=(2, 1))
    assert list(series.expand()) == [0.1, 0.1, 0.2]


def test_fixture_folders_are_there() -> None:
    assert {p.name for p in (ROOT / "tests/fixtures/submissions").iterdir()} >= {"ok", "contract", "crash"}


@pytest.mark.parametrize("rate", ["1.79e308", "1e16", "-1e-9"])
def test_a_rate_beyond_all_reason_is_a_violation(compiled: Compile, rate: str) -> None:
    result = compiled(scheduler=SCHEDULER.replace("base_lr * 0.99**self.last_epoch", rate))
    assert [v.rule.value for v in result.violations] == ["learning_rate"]
    wanted = "cannot be negative" if rate.startswith("-") else "from zero to 1e+15"
    assert wanted in result.violations[0].fix

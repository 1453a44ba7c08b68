"""PyTorch's schedulers are told by their bits, where no formula of the submission's own explains them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from grader.core.verdict import Verdict
from grader.submissions import torch_schedules as ours
from support.submissions import CONFIG, Compile, make

STEPS = 100
#: class, its arguments, our generator's arguments after the base rate (the first argument but for OneCycleLR)
CASES: list[tuple[str, dict[str, Any], Any, tuple[Any, ...]]] = [
    ("ExponentialLR", {"gamma": 0.97}, ours.exponential, (0.97,)),
    ("StepLR", {"step_size": 30, "gamma": 0.1}, ours.step, (30, 0.1)),
    ("MultiStepLR", {"milestones": [20, 70], "gamma": 0.3}, ours.multi_step, ([20, 70], 0.3)),
    ("ConstantLR", {"factor": 0.3, "total_iters": 12}, ours.constant, (0.3, 12)),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 40}, ours.linear, (0.1, 1.0, 40)),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.05, "total_iters": 99}, ours.linear, (1.0, 0.05, 99)),
    ("PolynomialLR", {"total_iters": 100, "power": 2.0}, ours.polynomial, (100, 2.0)),
    ("PolynomialLR", {"total_iters": 60, "power": 1.0}, ours.polynomial, (60, 1.0)),
    ("CosineAnnealingLR", {"T_max": 100}, ours.cosine, (100, 0.0)),
    ("CosineAnnealingLR", {"T_max": 30, "eta_min": 0.003}, ours.cosine, (30, 0.003)),
    ("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 2}, ours.warm_restarts, (10, 2, 0.0)),
    ("OneCycleLR", {"total_steps": 100, "max_lr": 0.5}, ours.one_cycle, (100, 0.5, 0.3, 25.0, 1e4)),
]
IDS = [f"{name} {arguments}" for name, arguments, _, _ in CASES]


def played(name: str, arguments: dict[str, Any]) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = getattr(lr_scheduler, name)(optimizer, **arguments)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < STEPS:
            scheduler.step()
    return rates


@pytest.mark.parametrize(("name", "arguments", "generator", "own"), CASES, ids=IDS)
def test_each_generator_has_the_bits_of_its_class(
    name: str, arguments: dict[str, Any], generator: Any, own: tuple[Any, ...]
) -> None:
    first = () if name == "OneCycleLR" else (0.1,)
    assert list(islice(generator(*first, *own), STEPS)) == played(name, arguments)


@pytest.mark.parametrize(("name", "arguments", "generator", "own"), CASES, ids=IDS)
def test_it_is_found_where_the_code_holds_no_formula_and_only_there(
    name: str, arguments: dict[str, Any], generator: Any, own: tuple[Any, ...]
) -> None:
    rates, config = played(name, arguments), f"lrs_kwargs = {arguments}"
    found = ours.played_by(rates, 0.1, "exec(bytes.fromhex(TEXT))", config)
    assert found is not None
    assert found.startswith(f"{name}("), found
    assert ours.played_by(rates, 0.1, "def get_lr(self):\n    return [0.1 * self.x]", config) is None


def test_a_formula_of_the_step_has_other_bits() -> None:
    """Cosine and exponential as students write them: not PyTorch's, even if the code seemed to hold no formula."""
    import math

    formula = [0.05 * (1 + math.cos(math.pi * t / STEPS)) for t in range(STEPS)]
    assert ours.played_by(formula, 0.1, "x = 1", "T_max = 100") != "CosineAnnealingLR(0.1, 100, 0)"
    powers = [0.1 * 0.97**t for t in range(STEPS)]
    assert ours.played_by(powers, 0.1, "x = 1", "gamma = 0.97") is None
    assert ours.played_by([0.1] * STEPS, 0.1, "x = 1", "") is None  # the default scheduler is nobody's


def test_the_source_of_a_scheduler_executed_as_a_text_is_found_by_its_bits(compiled: Compile) -> None:
    code = """
import inspect
import torch.optim.lr_scheduler as theirs

text = inspect.getsource(theirs.CosineAnnealingLR).replace("CosineAnnealingLR", "CustomLRScheduler")
exec(compile(text, "scheduler.py", "exec"), {**vars(theirs), "__name__": "scheduler"}, globals())
"""
    config = CONFIG.replace("lrs_kwargs = {}", 'lrs_kwargs = {"T_max": 46}')
    result = compiled(make(scheduler=code, config=config))
    assert result.verdict is Verdict.OK, result.violations  # no watch on classes sees it
    assert result.recipe is not None
    found = ours.played_by(list(result.recipe.groups[0].lr.expand()), result.base_rates[0], code, config)
    assert found == "CosineAnnealingLR(0.05, 46, 0)"


def test_no_schedule_makes_the_search_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates that agree with every choice of arguments for half of the steps, and with none to the end."""
    steps = 40_000
    rates = [1e-323] * int(steps * 0.49)
    rates += [1e-323 if n % 2 else 5e-324 for n in range(steps - len(rates))]
    numbers = [*(9_999_000 + n for n in range(20)), *range(2, 17), 5e-324]
    made = 0

    def counted(make: Any) -> Any:
        def rates_of(*arguments: Any) -> Any:
            nonlocal made
            for rate in make(*arguments):
                made += 1
                yield rate

        return rates_of

    for name in ("exponential", "cosine", "warm_restarts", "polynomial", "linear", "one_cycle"):
        monkeypatch.setattr(ours, name, counted(getattr(ours, name)))
    assert ours.played_by(rates, 1e-323, f"x = {numbers}", "") is None
    assert 100_000 < made < 1_200_000

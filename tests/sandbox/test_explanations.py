"""What a student reads for the commonest errors: what happened, where, and the fix that a teaching assistant gives."""

# ruff: noqa: E501 -- a table, which reads better in long lines

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from grader.core.verdict import Verdict
from support.schedulers import CONFIG, HEAD, PLAIN, SGD, formula
from support.submissions import Compile, make


class Case(NamedTuple):
    """A submission, and words of its first violation."""

    scheduler: str
    words: tuple[str, ...]
    kwargs: str = "{}"
    config: tuple[str, str] = ("", "")  # replaced in config.py


INIT = "class CustomLRScheduler(_LRScheduler):\n    def __init__(self, optimizer, {}):\n        {}\n\n{}"
GET = "    def get_lr(self):\n        return {}\n"
OWN = "class CustomLRScheduler(_LRScheduler):\n" + GET
STEP = OWN.format("list(self.base_lrs)") + "\n    def step(self{}):\n        {}\n"
FACTORY = ("def optimizer_factory(model):", "def optimizer_factory({}):")
OK = formula("b")
CASES = {
    # the rate
    "a number instead of a list": Case(OWN.format("0.1"), ("returned 0.1 instead of a list", "one learning rate per")),
    "too few rates": Case(OWN.format("[]"), ("0 learning rates for 1 parameter groups", "one learning rate per")),
    "the whole schedule": Case(OWN.format("[0.1 * 0.9**t for t in range(500)]"),
                               ("500 learning rates for 1", "rates of step self.last_epoch only")),
    "a negative rate": Case(formula("b * (1 - t / 20)"), ("is -0.0025", "in step 21", "counts batches, 90 per epoch", "max(0.0")),
    "below zero late": Case(formula("b * (1 - t / 100)"), ("in step 101", "cannot be negative", "beyond the number of steps")),
    "not a number": Case(formula("float('nan') if t == 5 else b"), ("is nan in step 5", "finite")),
    "infinite": Case(formula("b * float('inf')"), ("is inf in step 0", "finite")),
    "complex": Case(formula("(b - 1) ** 0.5 if t > 3 else b"), ("complex", "Python floats")),
    "text": Case(formula("str(b)"), ("learning rate",)),
    "None": Case(OWN.format("None"), ("returned None instead of a list",)),
    # the class
    "no class": Case("class Scheduler(_LRScheduler):\n    pass\n", ("no class CustomLRScheduler", "imports it by that name")),
    "no get_lr": Case("class CustomLRScheduler(_LRScheduler):\n    pass\n", ("does not implement get_lr()",)),
    "no base class": Case("class CustomLRScheduler:\n    pass\n", ("does not inherit from _LRScheduler",)),
    "PyTorch's own": Case("from torch.optim.lr_scheduler import StepLR as CustomLRScheduler\n", ("is PyTorch's StepLR",)),
    "super() forgotten": Case(INIT.format("a=1", "self.a = a", GET.format("[self.a for _ in self.optimizer.param_groups]")),
                              ("super().__init__(optimizer",)),
    "attribute set too late": Case(
        INIT.format("a=1", "super().__init__(optimizer)\n        self.a = a", GET.format("[b * self.a for b in self.base_lrs]")),
        ("no attribute 'a'", "before super().__init__()")),
    "base_lr for base_lrs": Case(OWN.format("[self.base_lr]"), ("'base_lr'", "base_lrs, a list with one rate per")),
    "get_last_lr too early": Case(OWN.format("[r * 0.9 for r in self.get_last_lr()]"),
                                  ("_last_lr", "before the first step", "self.base_lrs")),
    "verbose": Case(INIT.format("v=False", "super().__init__(optimizer, -1, v)", GET.format("list(self.base_lrs)")),
                    ("remove verbose", "PyTorch removed")),
    "self.verbose": Case(OWN.format("list(self.base_lrs) if self.verbose else list(self.base_lrs)"),
                         ("'verbose'", "removed it in 2.7", "remove it")),
    "print_lr": Case(STEP.format(", epoch=None", "super().step()\n        self.print_lr(True, 0, 0.1)"),
                     ("'print_lr'", "removed it in 2.7")),
    "last_epoch of 0": Case(INIT.format("a=1", "super().__init__(optimizer, last_epoch=0)", GET.format("list(self.base_lrs)")),
                            ("initial_lr", "leave last_epoch at its default, -1")),
    "optimizer forgotten": Case(INIT.format("a=1", "super().__init__()", GET.format("list(self.base_lrs)")),
                                ("pass the optimizer on",)),
    "unknown argument of the base class": Case(
        INIT.format("a=1", "super().__init__(optimizer, gamma=a)", GET.format("list(self.base_lrs)")),
        ("takes optimizer and last_epoch only", "keep gamma")),
    "get_lr returns nothing": Case("class CustomLRScheduler(_LRScheduler):\n    def get_lr(self):\n        self.x = 1\n",
                                   ("returned None instead of a list",)),
    # step
    "step wants the epoch": Case(STEP.format(", epoch", "super().step()"),
                                 ("step() requires the argument 'epoch'", "def step(self, epoch=None)")),
    "step wants a metric": Case(STEP.format(", metrics", "super().step()"),
                                ("step() wants 'metrics'", "cannot depend on the training's results")),
    "step calls itself": Case(STEP.format(", epoch=None", "self.step()"), ("RecursionError", "end the recursion")),
    # arguments
    "unknown key": Case(OK, ("lrs_kwargs does not fit", "gamma"), "{'gamma': 0.5}"),
    "missing key": Case(INIT.format("gamma", "super().__init__(optimizer)", GET.format("list(self.base_lrs)")),
                        ("lrs_kwargs does not fit", "'gamma'")),
    "missing key in **kwargs": Case(
        INIT.format("**kwargs", "self.g = kwargs['gamma']\n        super().__init__(optimizer)", GET.format("list(self.base_lrs)")),
        ("KeyError: 'gamma'", "no key 'gamma' here", "lrs_kwargs")),
    "kwargs is a list": Case(OK, ("lrs_kwargs is a list", "write lrs_kwargs ="), "[]"),
    # arithmetic
    "division by zero": Case(formula("b / (t % 7)"), ("ZeroDivisionError", "divisor is zero", "max(1")),
    "past the end of a list": Case(formula("[b, b][t]"), ("in step 2", "IndexError", "a list ends before", "min()")),
    "a root of a negative number": Case(formula("b * math.sqrt(10 - t)"), ("math domain error", "min(1.0")),
    "overflow": Case(formula("b / 10.0 ** (30 * t)"), ("OverflowError", "beyond the range of floats")),
    "arithmetic with a list": Case(OWN.format("self.base_lrs / 2"), ("a list has no arithmetic", "for base_lr in")),
    "math of a list": Case(OWN.format("[math.exp(self.base_lrs)]"), ("must be real number", "compute per group")),
    "misspelt name": Case(formula("b * gama"), ("name 'gama' is not defined", "gama is not known here")),
    "assertion": Case(formula("b", "assert t < 9"), ("AssertionError", "an assert of your own does not hold")),
    # imports and syntax
    "package that is not there": Case("import pandas\n" + OK, ("'pandas'", "standard library, torch, torchvision, numpy")),
    "package that may be there": Case("import matplotlib.pyplot\n" + OK, ("'matplotlib'", '__name__ == "__main__"')),
    "relative import": Case("from .config import CONFIG\n" + OK, ("relative import", "without the dot")),
    "name that torch lacks": Case("from torch.optim import AdamZ\n" + OK, ("AdamZ", "check the spelling")),
    "syntax": Case("def f(:\n    pass\n" + OK, ("SyntaxError", f"Python {sys.version_info.major}.{sys.version_info.minor}")),
    "newer syntax": Case("match 1:\n    case x if x is: pass\n" + OK, ("SyntaxError", "read by Python 3.")),
    "file": Case("open('rates.txt')\n" + OK, ("rates.txt", "config.py")),
    "exit": Case("import sys\nsys.exit()\n" + OK, ("SystemExit", "remove the call of exit()")),
    # configuration
    "self in the factory": Case(OK, ("missing 1 required positional argument: 'model'", "without self"),
                                config=(FACTORY[0], FACTORY[1].format("self, model"))),
    "no model in the factory": Case(OK, ("takes 0 positional arguments", "give it the model"),
                                    config=(FACTORY[0], FACTORY[1].format(""))),
    "factory returns nothing": Case(OK, ("returned NoneType, not an optimizer",), config=("return torch", "torch")),
    "batch size as text": Case(OK, ("batch_size is '16', not a whole number",), config=("batch_size = 16", "batch_size = '16'")),
    "no epochs": Case(OK, ("num_epochs is 0", "at least 1"), config=("num_epochs = 3", "num_epochs = 0")),
    "no transforms": Case(OK, ("CONFIG has no transforms", "add it"), config=("transforms =", "transform =")),
    "class for an instance": Case(OK, ("ToTensor instead of an instance", "ToTensor()"), config=("ToTensor(),", "ToTensor,")),
    "another optimizer": Case(OK, ("LBFGS cannot be used", "closure"), config=(SGD, "torch.optim.LBFGS(model.parameters())")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_error_is_told_with_its_place_and_its_fix(name: str, compiled: Compile) -> None:
    case = CASES[name]
    config = CONFIG.format(kwargs=case.kwargs, optimizer=SGD, transforms=PLAIN).replace(*case.config)
    found = compiled(make(scheduler=HEAD + "\n\n" + case.scheduler, config=config))
    assert found.verdict in (Verdict.CONTRACT, Verdict.CRASH), found
    text = str(found.violations[0])
    for words in case.words:
        assert words in text, text
    assert "an error in your own code" not in text
    assert "grader/" not in text  # no file of ours
    assert len(text) < 700


def test_there_are_fifty_of_them() -> None:
    assert len(CASES) >= 50

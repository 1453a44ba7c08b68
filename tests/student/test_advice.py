"""Advice: right or absent, with lines and causes that the code shows."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.core.recipe import Recipe
from grader.core.verdict import Verdict
from grader.sandbox.sandlock import SandlockSandbox
from grader.student.advice import Cost, Subject, advise
from grader.student.check import check
from grader.student.source import SchedulerSource
from support.advice import rates_of_advice
from support.advice_corpus import CORPUS
from support.advice_schedules import COS, Schedule
from support.advice_schedules import HEAD as CORPUS_HEAD
from support.submissions import CONFIG, make

HEAD = "import math\nfrom torch.optim.lr_scheduler import _LRScheduler\n\n\nclass CustomLRScheduler(_LRScheduler):\n"
ADAM = CONFIG.replace(
    "torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)", "torch.optim.Adam(model.parameters(), lr=RATE)"
)
Advise = Callable[..., dict[str, str]]


def get_lr(expression: str) -> str:
    return f"def get_lr(self):\n    t = self.last_epoch\n    return [base * ({expression}) for base in self.base_lrs]"


@pytest.fixture
def advice_on(tmp_path: Path, sandlock: SandlockSandbox) -> Advise:
    """Advice by code on the methods of a scheduler, or on a schedule of the corpus."""

    def advise(what: str | Schedule, config: str = CONFIG) -> dict[str, str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        if isinstance(what, Schedule):
            what.write(folder)
        else:
            folder.mkdir()
            scheduler = HEAD + textwrap.indent(textwrap.dedent(what).strip("\n"), "    ") + "\n"
            for name, data in make(scheduler=scheduler, config=config).files.items():
                (folder / name).write_bytes(data)
        checked = check(folder, sandlock)
        assert checked.compiled.verdict is Verdict.OK, checked.compiled
        return {a.code: str(a) for a in checked.advice}

    return advise


def test_advice_is_what_an_expert_would_give(tmp_path: Path, sandlock: SandlockSandbox) -> None:
    """On the corpus of `tests/support/advice_corpus.py`; `python benchmarks/advice.py` prints all rates."""
    assert len(CORPUS) >= 80
    assert len({one.name for one in CORPUS}) == len(CORPUS)
    rates = rates_of_advice(CORPUS, tmp_path, sandlock)
    assert {code for code, one in rates.items() if one.expected} >= {
        "breaks-beyond", "growing-cost", "idle-step", "implausible-peak", "known-formula", "never-moves", "not-floats",
        "restarts-every-few-batches", "rises-again", "settles-early", "tied-to-a-length",
    }  # fmt: skip
    assert {code: one.wrong for code, one in rates.items() if one.precision < 0.95} == {}
    assert {code: one.missed for code, one in rates.items() if one.recall < 0.9} == {}


def test_a_period_is_measured_between_neighbours(advice_on: Advise) -> None:
    """Cycles of 24 batches, in a training that is no multiple of them."""
    said = advice_on(get_lr("1.1 - abs(t % 24 - 12) / 12"))
    assert "goes down and up again every 24 batches" in said["restarts-every-few-batches"]


def test_the_peak_depends_on_the_optimizer(advice_on: Advise) -> None:
    assert "implausible-peak" in advice_on(get_lr("1 / (1 + t)"), ADAM.replace("RATE", "0.1"))
    assert "implausible-peak" not in advice_on(get_lr("1 / (1 + t)"), ADAM.replace("RATE", "0.01"))
    assert "very low" in advice_on(get_lr("1 / (1 + t)"), ADAM.replace("RATE", "1e-7"))["implausible-peak"]


def test_a_training_half_as_long_ends_where_it_ends(advice_on: Advise) -> None:
    """Half of 980 steps ends with step 489, one before a restart would bring the peak back."""
    said = advice_on(of("table-of-lines", get_lr("max(0.0, 1 - t / 980)")))["tied-to-a-length"]
    assert "the decay fits the 980 steps of this training: one half as long ends at 0.0501, 50% of its peak" in said
    assert "one twice as long spends its second half at zero" in said
    assert "tied-to-a-length" not in advice_on(of("restarts", get_lr(COS.format("(t % 490) / 490"))))


def test_what_breaks_in_a_longer_training_is_said_with_its_step(advice_on: Advise) -> None:
    raises = "def get_lr(self):\n    if self.last_epoch > 980:\n        raise ValueError('too often')\n"
    raises += "    return [base / (1 + 0.01 * self.last_epoch) for base in self.base_lrs]"
    said = advice_on(of("raises", raises))["breaks-beyond"]
    assert (
        "this training has 980 steps; in a longer one, in step 981 the scheduler raised ValueError: too often" in said
    )
    negative = advice_on(of("negative", get_lr("1 - t / 1000")))["breaks-beyond"]
    assert "the learning rate of group 0 is -0.0001 in step 1001" in negative
    assert "breaks-beyond" not in advice_on(of("clamped", get_lr("max(0.0, 1 - t / 1000)")))


def test_the_line_is_that_of_the_class_that_is_meant(advice_on: Advise) -> None:
    decoy = next(one for one in CORPUS if one.name == "decoy")
    line = decoy.source[: decoy.source.index("def get_lr(self):\n        return list")].count("\n") + 1
    assert advice_on(decoy)["never-moves"].startswith(f"scheduler.py:{line}: ")
    inherited = "class Base(_LRScheduler):\n    def get_lr(self):\n        return list(self.base_lrs)\n\n\n"
    inherited += "class CustomLRScheduler(Base):\n    pass\n"
    line = CORPUS_HEAD.count("\n") + 2
    assert advice_on(Schedule("b", CORPUS_HEAD + inherited, frozenset()))["never-moves"].startswith(
        f"scheduler.py:{line}: "
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("counter-of-its-own", "get_lr() reads self.now, which only __init__() sets: read self.last_epoch"),
        ("decoy", "let get_lr() depend on self.last_epoch"),
        (
            "milestone-never-reached",
            "get_lr() gives the same for every self.last_epoch, which counts batches (0 to 979",
        ),
        ("epoch-never-counted", "which only __init__() sets: read self.last_epoch, which counts batches (0 to 979"),
        ("numpy-float32", "learning rates come as numpy.float32"),
        ("halved-every-batch", "moves by no more than 1 % of its peak from step"),
        ("step-counts-only", "step() neither calls super().step() nor writes to self.optimizer.param_groups"),
        ("warmup-of-epochs", "convert what counts epochs (warmup_epochs)"),
        ("milestones-of-epochs", "if that is not meant: scheduler.step() is called once per batch, 98 times per epoch"),
        ("cosine-of-700-unclamped", "the cosine runs on past its end: hold it with min(self.last_epoch, 700)"),
        ("sums-up-the-past", "get_lr() takes longer from step to step: compute the rate from self.last_epoch directly"),
    ],
)
def test_a_cause_is_named_where_the_code_shows_it(advice_on: Advise, name: str, words: str) -> None:
    schedule = next(one for one in CORPUS if one.name == name)
    said = advice_on(schedule)
    assert words in "\n".join(said[code] for code in schedule.expected)


def of(name: str, body: str) -> Schedule:
    source = CORPUS_HEAD + "class CustomLRScheduler(_LRScheduler):\n" + textwrap.indent(body, "    ") + "\n"
    return Schedule(name, source, frozenset())


def test_close_to_the_limit_it_says_how_close(recipe: Recipe) -> None:
    source = SchedulerSource("class CustomLRScheduler:\n    def get_lr(self):\n        pass\n")
    even, rising = (1.0,) * 20, tuple(n / 10 for n in range(20))

    def said(cost: Cost) -> dict[str, str]:
        return {a.code: a.what for a in advise(Subject(recipe, None, source, cost))}

    def fix(cost: Cost) -> str:
        return next(a.fix for a in advise(Subject(recipe, None, source, cost)) if a.code == "near-the-limit")

    steps = recipe.steps
    near = said(Cost(even, used=20.0, limit=30.0))
    assert (
        near["near-the-limit"] == f"loading and playing {steps} steps took 20.0 s of the 30 s allowed, on this machine"
    )
    assert "near-the-limit" not in said(Cost(even, used=10.0, limit=30.0))
    assert "what does not depend" in fix(Cost(even, used=20.0, limit=30.0))
    assert "__init__()" in fix(Cost(tuple(n / 10 for n in even), used=20.0, limit=30.0))
    assert (
        "a step at the end took 8 times as long as one at the start"
        in said(Cost(rising, used=20.0, limit=30.0))["growing-cost"]
    )
    assert "growing-cost" not in said(Cost(tuple(n / 1e4 for n in rising), used=1.0, limit=30.0))


def test_a_rate_that_hardly_moves_is_no_fault(advice_on: Advise) -> None:
    assert "settles-early" not in advice_on(of("wiggle", get_lr("1 + 0.004 * math.sin(t / 50)")))

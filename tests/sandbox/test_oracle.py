"""A recipe says all that the code does: the trainer's replay gives the very weights of the plain training loop."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from grader.core.task import Task
from grader.core.verdict import Verdict
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.intake import discover
from grader.submissions.loader import Submission
from grader.training import models
from grader.training.data import ImageData
from support.acts import ACTS, acting
from support.plain_training import Bench, differing, few_images, plain_weights, replayed_weights
from support.schedulers import ADAM, ADAMW, FORMULAS, SGD, STYLES, TWO, Style, stepping
from support.submissions import ROOT, Compile, load

HANDED_IN = {s.id: s for folder in ("submissions", "reference") for s in discover(ROOT / folder).submissions}
FIXTURES = {p.name: load(p) for p in sorted((ROOT / "tests/fixtures/submissions/ok").iterdir())}
FIXTURES |= {p.name: load(p) for p in sorted((ROOT / "tests/fixtures/submissions/contract").iterdir())}


@pytest.fixture(scope="module")
def bench(task: Task, digits: ImageData) -> Bench:
    return Bench(task, few_images(digits))


class Oracle:
    """Compiles a submission, and compares what is accepted with the plain loop."""

    def __init__(self, bench: Bench, sandbox: SandlockSandbox) -> None:
        self.bench = bench
        self.compile = Compile(sandbox, bench.task, models.facts_of(bench.task, bench.data))

    def __call__(self, submission: Submission) -> str:
        """ "agreed", or why the submission was refused. Fails where it was accepted, and trains otherwise."""
        compiled = self.compile(submission)
        if compiled.recipe is None:
            assert compiled.violations, compiled
            return str(compiled.violations[0].rule)
        recipe = compiled.recipe
        plain, ours = plain_weights(submission, recipe, self.bench), replayed_weights(recipe, self.bench)
        assert differing(plain, ours) == []
        return "agreed"


@pytest.fixture(scope="module")
def oracle(bench: Bench, sandlock: SandlockSandbox) -> Oracle:
    return Oracle(bench, sandlock)


@pytest.mark.parametrize("name", STYLES)
def test_every_style_trains_as_the_plain_loop_does(name: str, oracle: Oracle) -> None:
    assert oracle(STYLES[name].submission) == "agreed"


def test_the_styles_are_many() -> None:
    assert len(STYLES) >= 60


def short(submission: Submission) -> Submission:
    """With at most two epochs: schedules are compared to the end elsewhere (`test_trace`)."""
    config = submission.files.get("config.py", b"").decode()
    lines = [line if not line.strip().startswith("num_epochs =") else line[: line.index("=")] + "= 2"
             for line in config.splitlines()]  # fmt: skip
    return dataclasses.replace(submission, files={**submission.files, "config.py": "\n".join(lines).encode()})


@pytest.mark.parametrize("name", [*HANDED_IN, *FIXTURES])
def test_what_is_handed_in_trains_as_the_plain_loop_does_or_is_refused(name: str, oracle: Oracle) -> None:
    submission = {**FIXTURES, **HANDED_IN}[name]
    if "zed-endless" in name:
        return  # it never ends, in any loop
    assert oracle(short(submission)) is not None


@pytest.mark.parametrize("when", ["constructor", "once", "often"])
@pytest.mark.parametrize("act", ACTS)
def test_acts_are_refused_with_their_line_or_recorded_rightly(act: str, when: str, oracle: Oracle) -> None:
    submission = Style(acting(FORMULAS["exponential"], ACTS[act], when)).submission
    compiled = oracle.compile(submission)
    if compiled.recipe is not None:  # settings of the start, which the recipe holds
        assert when == "constructor"
        assert oracle(submission) == "agreed"
        return
    (violation, *_) = compiled.violations
    assert compiled.verdict is Verdict.CONTRACT, violation
    if (act, when) == ("group added", "constructor"):  # after the base class has counted the groups
        assert violation.what == "get_lr() returned 1 learning rates for 2 parameter groups in step 1 (epoch 1)"
        return
    text = submission.files["scheduler.py"].decode().splitlines()
    assert violation.line is not None
    assert ACTS[act] in text[violation.line - 1], (violation, text[violation.line - 1])
    if when != "constructor":
        assert "in step 6 " in violation.what or (when == "often" and "in step 7 " in violation.what), violation


def test_a_random_mixture_of_schedules_and_acts_agrees_or_is_refused(
    oracle: Oracle, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line says how many agreed, how many were refused, and why."""
    draw = random.Random(20240219)
    counts: Counter[str] = Counter()
    bodies = [body for name, body in FORMULAS.items() if "chained" not in name]
    for _ in range(40):
        body = draw.choice(bodies) if draw.random() < 0.7 else stepping('g["lr"] *= 0.97')
        if draw.random() < 0.5 and "def step" not in body:
            body = acting(body, draw.choice(list(ACTS.values())), draw.choice(["constructor", "once", "often"]))
        counts[oracle(Style(body, optimizer=draw.choice([SGD, ADAM, ADAMW, TWO])).submission)] += 1
    with capsys.disabled():
        refused = ", ".join(f"{count} {rule}" for rule, count in counts.most_common() if rule != "agreed")
        print(f"\n{counts['agreed']} schedulers agreed with the plain loop; refused: {refused}")
    assert counts["agreed"] >= 15
    assert sum(counts.values()) - counts["agreed"] >= 8

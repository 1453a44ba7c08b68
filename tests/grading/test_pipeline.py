"""Whose fault a training's end is, and who shares it: with trainers that do what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader.core.errors import InternalError
from grader.core.kind import Kind
from grader.core.recipe import Recipe
from grader.core.runs import EpochRecord, SeedRun
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.grading.cache import Cache
from grader.grading.config import RunConfig
from grader.grading.pipeline import GradingRun
from grader.grading.session import Session
from grader.leaderboard.models import RankedRow
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry
from grader.submissions.loader import Submission
from support.gradings import environment
from support.submissions import make

Train = Callable[[int, float], SeedRun]


class Elsewhere:
    """In place of a sandbox: every submission lies compiled in the cache."""

    name, version = "none", "test"


class Scripted:
    """Trainers that answer as the test says."""

    def __init__(self, train: Train, workers: int = 2) -> None:
        self.workers, self._train = workers, train
        self.asked: list[float] = []  # the budgets, in order
        self._lock = threading.Lock()

    def train(self, recipe: Recipe, seed: int, budget_s: float, on_epoch: object, workload: int) -> SeedRun:
        with self._lock:
            self.asked.append(budget_s)
        return self._train(seed, budget_s)


def finished(seed: int, budget_s: float) -> SeedRun:
    record = EpochRecord(epoch=1, train_loss=1.0, accuracy=0.5, lr=0.1)
    return SeedRun(seed=seed, verdict=Verdict.OK, accuracy=0.5, seconds=1.0, epochs=(record,), limit_s=budget_s)


def late(seed: int, budget_s: float, *, certain: bool = True) -> SeedRun:
    return SeedRun(
        seed=seed, verdict=Verdict.TIMEOUT, accuracy=None, seconds=budget_s, detail="late", limit_s=budget_s,
        certain=certain,
    )  # fmt: skip


class Grade:
    """Grades submissions of one recipe, whose sandbox took the given seconds."""

    def __init__(self, folder: Path, task: Task, facts: TaskFacts, recipe: Recipe) -> None:
        self.folder, self.recipe = folder, recipe
        self.config = RunConfig(
            task=Task.model_validate({**dict(task), "seeds": (0,), "time_limit_s": 100.0}), results=folder / "results"
        )
        self.facts = facts

    def __call__(self, trainers: Any, **seconds: float) -> dict[str, RankedRow]:
        sandbox: Any = Elsewhere()
        cache = Cache(self.config.folder, self.config.task, self.facts, environment())
        session = Session.of(self.config, [self.facts], environment(), sandbox, trainers)
        entries = []
        for name, taken in seconds.items():
            submission = Submission(name, {**make().files, "ATTRIBUTION.md": name.encode()})
            compiled = Compiled(verdict=Verdict.OK, recipe=self.recipe, sandbox="none", seconds=taken)
            cache.keep_compiled(submission, sandbox.version, compiled)
            entries.append(Entry(submission, Kind.STUDENT))
        writer = session.writer(self.folder / "board.json")
        self.ungraded = GradingRun(session, writer, lambda _: None).grade(entries)
        return {row.id: row for row in writer.settle().rows}


@pytest.fixture
def grade(tmp_path: Path, task: Task, facts: TaskFacts, recipe: Recipe) -> Grade:
    constant = recipe.model_copy(update={"groups": tuple(_constant(recipe))})
    return Grade(tmp_path, task, facts, Recipe.model_validate(dict(constant)))


def _constant(recipe: Recipe) -> Any:
    """Groups whose rate stays, so that a submission is its own baseline."""
    for group in recipe.groups:
        steps = group.lr.steps
        series = {"values": (0.1,), "counts": (steps,)}
        yield type(group).model_validate({**dict(group), "lr": series})


def test_equal_recipes_share_a_training(grade: Grade) -> None:
    trainers = Scripted(finished)
    rows = grade(trainers, ada=1.0, bo=2.0)
    assert {row.verdict for row in rows.values()} == {Verdict.OK}
    assert len(trainers.asked) == 1


def test_a_timeout_under_a_smaller_budget_is_nobody_elses_verdict(grade: Grade) -> None:
    """The training takes 50 s. Slow's sandbox took 60 of its 100 s, and Quick's took one."""

    def train(seed: int, budget_s: float) -> SeedRun:
        return finished(seed, budget_s) if budget_s > 50 else late(seed, budget_s)

    trainers = Scripted(train, workers=1)
    rows = grade(trainers, a_slow=60.0, quick=1.0, z_slow=70.0)
    assert {name: row.verdict for name, row in rows.items()} == {
        "a_slow": Verdict.TIMEOUT, "quick": Verdict.OK, "z_slow": Verdict.OK,
    }  # fmt: skip
    assert trainers.asked == [40.0, 99.0]  # and then it is known
    again = Scripted(train)
    assert {name: row.verdict for name, row in grade(again, a_slow=60.0).items()}["a_slow"] is Verdict.OK
    assert again.asked == []


def test_it_is_not_while_both_wait_for_the_same_training_either(grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=20)

    def train(seed: int, budget_s: float) -> SeedRun:
        if budget_s > 50:
            return finished(seed, budget_s)
        started.set()
        release.wait(20)
        return late(seed, budget_s)

    started, release = threading.Event(), threading.Event()
    trainers = Scripted(train)
    compiled = Cache.compiled

    def in_order(self: Cache, submission: Submission, sandbox: str) -> Compiled | None:
        if submission.id == "quick":
            started.wait(20)  # the one with less time is trained first
        return compiled(self, submission, sandbox)

    monkeypatch.setattr(Cache, "compiled", in_order)

    def let_go() -> None:
        started.wait(20)
        both.wait()

    waiting = threading.Thread(target=let_go)
    waiting.start()
    timer = threading.Timer(1.0, release.set)  # by then the other waits for the first one's training
    timer.start()
    rows = grade(trainers, a_slow=60.0, quick=1.0)
    both.wait()
    waiting.join()
    assert {name: row.verdict for name, row in rows.items()} == {"a_slow": Verdict.TIMEOUT, "quick": Verdict.OK}


def test_a_timeout_that_the_machine_may_have_made_is_not_kept(grade: Grade) -> None:
    rows = grade(Scripted(lambda seed, budget_s: late(seed, budget_s, certain=False)), ada=1.0)
    assert rows["ada"].verdict is Verdict.TIMEOUT
    again = Scripted(finished)
    assert grade(again, ada=1.0)["ada"].verdict is Verdict.OK
    assert len(again.asked) == 1


def test_a_certain_timeout_is_kept_for_as_much_time(grade: Grade) -> None:
    assert grade(Scripted(late), ada=1.0)["ada"].verdict is Verdict.TIMEOUT
    again = Scripted(finished)
    assert grade(again, ada=1.0)["ada"].verdict is Verdict.TIMEOUT
    assert again.asked == []


def test_a_trainer_that_does_not_start_is_our_fault_and_nothing_is_kept(grade: Grade) -> None:
    def never(seed: int, budget_s: float) -> SeedRun:
        raise InternalError("a training process did not start within 3600 s")

    trainers = Scripted(never)
    rows = grade(trainers, ada=1.0)
    assert rows["ada"].verdict is Verdict.INTERNAL
    assert "did not start" in rows["ada"].detail
    assert grade.ungraded == ["ada"]
    assert len(trainers.asked) == 3
    assert grade(Scripted(finished), ada=1.0)["ada"].verdict is Verdict.OK


def test_every_grading_says_what_graded_it(grade: Grade) -> None:
    row = grade(Scripted(finished), ada=1.0)["ada"]
    assert (row.device, row.environment) == ("cpu", environment().key)

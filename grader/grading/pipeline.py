"""A grading run: compile, train, rank; sandboxes and trainings overlap, and each step is kept.

Submissions flow independently. Threads of one pool drive the sandboxes, threads of another the
trainers; whatever finishes is stored at once, so a run that is killed at any moment goes on where
it was. One submission's fault is its own verdict; a fault of ours is `internal` and retried.
"""

import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import fmean

from grader.core.curves import short, spread, summarize
from grader.core.errors import GraderError, InternalError
from grader.core.kind import Kind
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun
from grader.core.statistics import score
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.grading.baseline import constant_of
from grader.grading.cache import Store
from grader.grading.events import (
    EpochFinished,
    Listener,
    Remark,
    SubmissionCompiled,
    SubmissionGraded,
    TrainingFinished,
)
from grader.grading.logs import write_log
from grader.leaderboard.models import Curves, Row, SeedScore, now
from grader.leaderboard.storage import Ledger
from grader.sandbox.base import Sandbox
from grader.sandbox.compile import compile_submission
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry
from grader.submissions.loader import Submission
from grader.submissions.manifest import read_manifest
from grader.training.pool import Trainers

_INTERNAL_RETRIES = 2
_AHEAD = 4  # submissions under way per job: sandboxes do not run further ahead of the trainings


@dataclass
class _Grading:
    """The state of one submission on its way."""

    entry: Entry
    compiled: Compiled | None = None
    runs: dict[int, SeedRun] = field(default_factory=dict)
    constant: Recipe | None = None  # the same at its constant rate, where that is asked for
    constants: dict[int, SeedRun] = field(default_factory=dict)
    failed: bool = False  # a seed has ended the matter: the other seeds need not be trained
    waiting: int = 0

    def still(self) -> dict[int, SeedRun]:
        """The trainings at the constant rate; the submission's own where it is constant itself."""
        own = self.compiled.recipe if self.compiled is not None else None
        if self.constant is not None and own is not None and self.constant.key == own.key:
            return self.runs
        return self.constants


class Grading:
    """Everything that a run shares. `grade` may be called once."""

    def __init__(
        self,
        task: Task,
        facts: TaskFacts,
        sandbox: Sandbox,
        trainers: Trainers,
        store: Store,
        ledger: Ledger,
        device: str,
        listener: Listener,
        *,
        jobs: int,
        force: bool = False,
        seeds: Mapping[tuple[Kind, str], Sequence[int]] | None = None,
    ) -> None:
        """`device` is its kind; `seeds` are those of the entries that have others than the task's."""
        self._device = device
        self._task, self._facts, self._sandbox, self._trainers = task, facts, sandbox, trainers
        self._store, self._ledger, self._tell = store, ledger, listener
        self._force = force
        self._seeds = seeds or {}
        self._compilers = ThreadPoolExecutor(jobs, "compile")
        self._trainings = ThreadPoolExecutor(jobs, "train")
        self._slots = threading.Semaphore(_AHEAD * jobs)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._under_way: dict[tuple[str, int], Future[SeedRun]] = {}
        self._left = 0
        self._done = threading.Event()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._ungraded: list[str] = []

    def grade(self, entries: Sequence[Entry]) -> list[str]:
        """Grade all entries; the ids of those that stayed ungraded by our fault.

        Interrupted once (KeyboardInterrupt), it finishes what is being trained and raises the
        interrupt again; everything finished is on the board by then.
        """
        self._left = len(entries)
        if not entries:
            return []
        for entry in entries:
            self._compilers.submit(self._guarded, self._begin, entry)
        try:
            while not self._done.wait(0.2):
                pass
        except KeyboardInterrupt:
            self._tell(Remark("stopping: what is being trained is finished first; press ^C again to stop now"))
            self._stopping.set()
            self._compilers.shutdown(cancel_futures=True)
            self._trainings.shutdown(cancel_futures=True)
            raise
        self._compilers.shutdown()
        self._trainings.shutdown()
        if self._error is not None:
            raise self._error
        return self._ungraded

    def _guarded(self, step: Callable[..., None], *arguments: object) -> None:
        """Run one step in a pool's thread. What it raises ends the run, unless it is the submission's own."""
        try:
            if not self._stopping.is_set():
                step(*arguments)
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._stopping.set()
            self._done.set()

    def _begin(self, entry: Entry) -> None:
        while not self._slots.acquire(timeout=0.2):
            if self._stopping.is_set():
                return
        self._compile(_Grading(entry))

    def _compile(self, grading: _Grading) -> None:
        submission, version = grading.entry.submission, self._sandbox.version
        compiled = None if self._force else self._store.compiled(submission, version)
        stored = compiled is not None
        if compiled is None:
            compiled = self._compile_now(submission)
            self._store.keep_compiled(submission, version, compiled)
        grading.compiled = compiled
        self._tell(SubmissionCompiled(grading.entry, compiled, stored))
        if compiled.recipe is None:
            self._finish(grading)
            return
        seeds = self._seeds_of(grading.entry)
        if self._task.ranking.contribution:
            grading.constant = constant_of(compiled.recipe, compiled.base_rates)
        apart = grading.constant is not None and grading.constant.key != compiled.recipe.key
        grading.waiting = len(seeds) * (2 if apart else 1)
        for seed in seeds:
            self._trainings.submit(self._guarded, self._train, grading, seed)
        for seed in seeds if apart else ():
            self._trainings.submit(self._guarded, self._train_constant, grading, seed)

    def _compile_now(self, submission: Submission) -> Compiled:
        """Compile. An error of ours that one submission brings about is its `internal`, not the run's end."""
        try:
            return compile_submission(submission, self._sandbox, self._task, self._facts)
        except GraderError:
            raise
        except (Exception, MemoryError) as error:
            detail = "".join(traceback.format_exception(error))[-2000:]
            return Compiled(verdict=Verdict.INTERNAL, sandbox=self._sandbox.name.value, seconds=0.0, detail=detail)

    def _seeds_of(self, entry: Entry) -> Sequence[int]:
        return self._seeds.get((entry.kind, entry.submission.id), self._task.seeds)

    def _train(self, grading: _Grading, seed: int) -> None:
        assert grading.compiled is not None and grading.compiled.recipe is not None
        if not grading.failed:
            run, stored = self._run_of(grading, grading.compiled.recipe, seed)
            with self._lock:
                grading.runs[seed] = run
                grading.failed |= not run.verdict.ranked
            self._tell(TrainingFinished(grading.entry, run, stored))
        self._count_down(grading)

    def _train_constant(self, grading: _Grading, seed: int) -> None:
        """Its outcome stands beside the submission's and never touches its verdict."""
        assert grading.constant is not None
        if not grading.failed:
            run, _ = self._run_of(grading, grading.constant, seed)
            with self._lock:
                grading.constants[seed] = run
        self._count_down(grading)

    def _count_down(self, grading: _Grading) -> None:
        with self._lock:
            grading.waiting -= 1
            last = grading.waiting == 0
        if last:
            self._finish(grading)

    def _run_of(self, grading: _Grading, recipe: Recipe, seed: int) -> tuple[SeedRun, bool]:
        """The training of a recipe with a seed: from the store, from another submission's, or made now."""
        assert grading.compiled is not None
        budget = max(0.0, self._task.time_limit_s - grading.compiled.seconds)
        mine: Future[SeedRun] = Future()
        with self._lock:
            theirs = self._under_way.setdefault((recipe.key, seed), mine)
        if theirs is not mine:
            return theirs.result(), True
        try:
            run = None if self._force else self._store.run(recipe, seed, budget)
            stored = run is not None
            if run is None:
                run = self._train_now(grading, recipe, seed, budget)
                if run.verdict.ranked or run.verdict is Verdict.TIMEOUT:
                    self._store.keep_run(recipe, run)
            mine.set_result(run)
            return run, stored
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            if not self._force:
                with self._lock:
                    self._under_way.pop((recipe.key, seed), None)

    def _train_now(self, grading: _Grading, recipe: Recipe, seed: int, budget: float) -> SeedRun:
        entry = grading.entry
        detail = ""
        for _ in range(1 + _INTERNAL_RETRIES):
            if self._stopping.is_set():
                break
            try:
                return self._trainers.train(
                    recipe,
                    seed,
                    budget,
                    lambda record: self._tell(EpochFinished(entry, seed, record, recipe.epochs)),
                )
            except InternalError as error:
                detail = str(error)
        return SeedRun(seed=seed, verdict=Verdict.INTERNAL, accuracy=None, seconds=0.0, detail=detail[-2000:])

    def _finish(self, grading: _Grading) -> None:
        runs = (*grading.runs.values(), *grading.constants.values())
        if self._stopping.is_set() and any(r.verdict is Verdict.INTERNAL for r in runs):
            return  # cut off by the user, not by a fault: the next run takes it up
        assert grading.compiled is not None
        row = row_of(grading, self._seeds_of(grading.entry), self._task, self._device)
        with self._writing:
            runs_, still, task = grading.runs.values(), grading.still(), self._ledger.identity
            write_log(self._store.folder, row, grading.compiled, runs_, still, task)
            remarks = self._ledger.add(row)
            remarks += [f"{path} could not be read and was made again" for path in self._store.damaged()]
            if row.verdict is Verdict.INTERNAL:
                self._ungraded.append(row.id)
            for remark in remarks:
                self._tell(Remark(remark))
            self._tell(SubmissionGraded(grading.entry, row))
        self._slots.release()
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._done.set()


def curves_of(runs: Sequence[SeedRun]) -> Curves | None:
    """The mean curves of the trainings that have a score."""
    runs = [run for run in runs if run.verdict.ranked and run.epochs]
    if not runs:
        return None
    picked = [[run.epochs[i] for run in runs] for i in spread(min(len(run.epochs) for run in runs))]
    losses = [[record.train_loss for record in records] for records in picked]
    return Curves(
        epochs=tuple(records[0].epoch for records in picked),
        train_loss=tuple(
            None if None in values else short(fmean(v for v in values if v is not None)) for values in losses
        ),
        accuracy=tuple(short(fmean(record.accuracy for record in records)) for records in picked),
    )


def row_of(grading: _Grading, seeds: Sequence[int], task: Task, device: str) -> Row:
    """The board's row for a graded submission. A failed seed decides the verdict; so does a diverged one."""
    entry, compiled = grading.entry, grading.compiled
    assert compiled is not None
    runs = sorted(grading.runs.values(), key=lambda r: seeds.index(r.seed))
    still = {seed: run.accuracy for seed, run in grading.still().items() if run.verdict.ranked}
    verdict, detail = compiled.verdict, compiled.detail
    violations = compiled.violations
    if compiled.recipe is not None:
        worst = next((r for r in runs if not r.verdict.ranked), None)
        worst = worst or next((r for r in runs if r.verdict is Verdict.DIVERGED), runs[0])
        verdict, detail, violations = worst.verdict, worst.detail, worst.violations
        if verdict is Verdict.DIVERGED:
            count = sum(r.verdict is Verdict.DIVERGED for r in runs)
            detail = f"{worst.detail} ({count} of {len(runs)} seeds)"
    mean, error = None, None
    if verdict.ranked:
        mean, error = score(r.accuracy for r in runs if r.accuracy is not None)
    manifest, _ = read_manifest(entry.submission.files)
    recipe = compiled.recipe
    reveal = task.leaderboard
    return Row(
        id=entry.submission.id,
        kind=entry.kind,
        team=manifest.contributors if manifest else (),
        verdict=verdict,
        accuracy=mean,
        standard_error=error,
        constant=_mean(still.get(r.seed) for r in runs) if mean is not None else None,
        seeds=tuple(
            SeedScore(
                seed=r.seed, verdict=r.verdict, accuracy=r.accuracy, seconds=r.seconds, constant=still.get(r.seed)
            )
            for r in runs
        ),
        seconds=round(compiled.seconds + sum(r.seconds for r in runs), 3),
        recipe=recipe.key if recipe else None,
        optimizer=recipe.optimizer.value if recipe else None,
        batch_size=recipe.batch_size if recipe else None,
        epochs=recipe.epochs if recipe else None,
        curves=curves_of(runs) if verdict.ranked else None,
        learning_rate=summarize(recipe) if recipe and reveal.learning_rates else None,
        violations=violations if reveal.violations else (),
        detail=detail[-2000:],
        sandbox=compiled.sandbox,
        device=device,
        graded=now(),
        submission=entry.submission.content_key,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean where every value is there."""
    known = list(values)
    return fmean(v for v in known if v is not None) if known and None not in known else None

"""A grading run: compile, train, rank; sandboxes and trainings overlap, and each step is kept.

Submissions flow independently. Threads of one pool drive the sandboxes, threads of another the
trainers; every result is stored at once, so a run that is killed at any moment continues where
it stopped. A submission's error is its own verdict; an error of the grader is `internal` and retried.
"""

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from grader.core.errors import GraderError, InternalError, TaskError
from grader.core.kind import Kind
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun
from grader.core.task import FailedWorkload, Task
from grader.core.verdict import Verdict
from grader.grading.baseline import baseline_of
from grader.grading.cache import answers
from grader.grading.events import (
    EpochFinished,
    Listener,
    Remark,
    SubmissionCompiled,
    SubmissionGraded,
    TrainingFinished,
)
from grader.grading.logs import Log, WorkloadLog, write_log
from grader.grading.results import Result, WorkloadResult, row_of
from grader.grading.session import Part, Session
from grader.leaderboard.models import GradedRow
from grader.leaderboard.storage import BoardWriter
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry
from grader.submissions.loader import Submission
from grader.submissions.references import fitted

_INTERNAL_RETRIES = 2
_AHEAD = 4  # submissions under way per job: sandboxes do not run further ahead of the trainings


def _unfit(task: Task, row: GradedRow, result: Result) -> str:
    """The error for a task on which the default scheduler itself gets no score."""
    why = [str(v) for one in result.workloads for v in one.compiled.violations]
    why += [run.detail or str(next(iter(run.violations), "")) for one in result.workloads for run in one.runs]
    said = next(filter(None, why), "")
    return (
        f"task {task.name}: the default scheduler {row.id} gets no score on it ({row.verdict}{': ' if said else ''}"
        f"{said}), so the run ends here: correct the task's limits, image or model, or the default scheduler"
    )


@dataclass
class _OnWorkload:
    """The state of one submission on one workload."""

    number: int
    part: Part
    compiled: Compiled
    baseline: Recipe | None = None  # the same at its constant rate, where that is asked for
    runs: dict[int, SeedRun] = field(default_factory=dict)
    baselines: dict[int, SeedRun] = field(default_factory=dict)
    failed: bool = False  # a seed has ended the matter: the other seeds need not be trained

    @property
    def apart(self) -> bool:
        """Whether the baseline is another training. A constant submission is its own baseline."""
        own = self.compiled.recipe
        return self.baseline is not None and own is not None and self.baseline.key != own.key

    def result(self, seeds: Sequence[int]) -> WorkloadResult:
        """What came of it."""
        runs = sorted(self.runs.values(), key=lambda r: seeds.index(r.seed))
        constant = self.baseline is not None and not self.apart
        baselines = self.runs if constant else self.baselines
        return WorkloadResult(self.part.name, self.part.task, self.part.facts.classes, self.compiled, runs, baselines)


@dataclass
class _Progress:
    """The state of one submission on its way."""

    entry: Entry
    seeds: Sequence[int]
    workloads: list[_OnWorkload] = field(default_factory=list)
    waiting: int = 0

    def result(self) -> Result:
        """What came of it."""
        return Result(self.entry, self.seeds, [one.result(self.seeds) for one in self.workloads])


class GradingRun:
    """Everything that the steps of a run share. `grade` may be called once."""

    def __init__(
        self,
        session: Session,
        writer: BoardWriter,
        listener: Listener,
        seeds: Mapping[tuple[Kind, str], Sequence[int]] | None = None,
    ) -> None:
        """`seeds` are those of the entries that have others than the task's."""
        self._session, self._task = session, session.task
        self._one_fails_all = self._task.ranking.failed_workload is FailedWorkload.UNRANKED
        self._writer, self._tell = writer, listener
        self._seeds = seeds or {}
        self._compilers = ThreadPoolExecutor(session.workers, "compile")
        self._trainings = ThreadPoolExecutor(session.workers, "train")
        self._slots = threading.Semaphore(_AHEAD * session.workers)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._under_way: dict[tuple[int, str, int, bool], Future[SeedRun]] = {}
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
            self._tell(Remark("stopping: trainings under way are finished first; press ^C again to stop now"))
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
        """Run one step in a pool's thread. An exception ends the run, unless it is the submission's own."""
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
        self._compile(_Progress(entry, self._seeds.get((entry.kind, entry.submission.id), self._task.seeds)))

    def _compile(self, progress: _Progress) -> None:
        for number, part in enumerate(self._session.parts):
            compiled = self._compile_on(progress.entry, part)
            baseline = None
            if compiled.recipe is not None and self._task.ranking.contribution:
                baseline = baseline_of(compiled.recipe, compiled.base_rates)
            progress.workloads.append(_OnWorkload(number, part, compiled, baseline))
            if compiled.recipe is None and self._one_fails_all:
                self._finish(progress)
                return
        trained = [one for one in progress.workloads if one.compiled.recipe is not None]
        progress.waiting = sum(len(progress.seeds) * (2 if one.apart else 1) for one in trained)
        if not trained:
            self._finish(progress)
        for one in trained:
            for seed in progress.seeds:
                self._trainings.submit(self._guarded, self._train, progress, one, seed)
            for seed in progress.seeds if one.apart else ():
                self._trainings.submit(self._guarded, self._train_baseline, progress, one, seed)

    def _compile_on(self, entry: Entry, part: Part) -> Compiled:
        """Compile for one workload, or take the cached compilation. A reference is fitted to it."""
        submission = entry.submission
        if entry.kind is not Kind.STUDENT:
            submission = fitted(submission, part.facts)
        compiled = None if self._is_forced(entry) else part.cache.compiled(submission, self._session.sandbox.version)
        cached = compiled is not None
        if compiled is None:
            compiled = self._compile_now(submission, part)
        self._tell(SubmissionCompiled(entry, part.name, compiled, cached))
        return compiled

    def _is_forced(self, entry: Entry, seed: int | None = None) -> bool:
        """Whether the entry is to be compiled, or trained with a seed, without what is cached.

        Of further seeds the last one alone is new: this run has trained the others already.
        """
        config = self._session.config
        again = entry.kind is Kind.STUDENT and entry.submission.id in config.again
        is_new = not self._seeds or seed == self._seeds[entry.kind, entry.submission.id][-1]
        return (config.force or again) and is_new

    def _compile_now(self, submission: Submission, part: Part) -> Compiled:
        """Compile and store. An error of the grader on one submission gives that submission the verdict `internal`."""
        sandbox = self._session.sandbox
        try:
            return part.cache.compile_anew(submission, sandbox)
        except GraderError:
            raise
        except (Exception, MemoryError) as error:
            detail = "".join(traceback.format_exception(error))[-2000:]
            return Compiled(verdict=Verdict.INTERNAL, sandbox=sandbox.name.value, seconds=0.0, detail=detail)

    def _is_over(self, progress: _Progress, one: _OnWorkload) -> bool:
        """Whether a training has ended the matter for this workload."""
        return one.failed or (self._one_fails_all and any(other.failed for other in progress.workloads))

    def _train(self, progress: _Progress, one: _OnWorkload, seed: int) -> None:
        if not self._is_over(progress, one):
            assert one.compiled.recipe is not None
            run, cached = self._run_of(progress.entry, one, one.compiled.recipe, seed)
            with self._lock:
                one.runs[seed] = run
                one.failed |= not run.verdict.ranked
            self._tell(TrainingFinished(progress.entry, one.part.name, run, cached))
        self._count_down(progress)

    def _train_baseline(self, progress: _Progress, one: _OnWorkload, seed: int) -> None:
        """Train the baseline. Its outcome never changes the submission's verdict."""
        if not self._is_over(progress, one):
            assert one.baseline is not None
            run, _ = self._run_of(progress.entry, one, one.baseline, seed)
            with self._lock:
                one.baselines[seed] = run
        self._count_down(progress)

    def _count_down(self, progress: _Progress) -> None:
        with self._lock:
            progress.waiting -= 1
            last = progress.waiting == 0
        if last:
            self._finish(progress)

    def _run_of(self, entry: Entry, one: _OnWorkload, recipe: Recipe, seed: int) -> tuple[SeedRun, bool]:
        """The training of a recipe with a seed: from the cache, from another submission's, or made now.

        Equal recipes share a training, but no timeout: one that had less time than this submission has is no answer.
        """
        budget = max(0.0, self._task.time_limit_s - one.compiled.seconds)
        key = (one.number, recipe.key, seed, self._is_forced(entry, seed))
        while True:
            mine: Future[SeedRun] = Future()
            with self._lock:
                theirs = self._under_way.setdefault(key, mine)
            if theirs is mine:
                return self._lead(mine, entry, one, recipe, seed, budget)
            run = theirs.result()
            if answers(run, budget):
                return run, True
            with self._lock:
                if self._under_way.get(key) is theirs:
                    del self._under_way[key]

    def _lead(
        self, mine: "Future[SeedRun]", entry: Entry, one: _OnWorkload, recipe: Recipe, seed: int, budget: float
    ) -> tuple[SeedRun, bool]:
        """Make a training that others may be waiting for, unless it is cached."""
        cache = one.part.cache
        try:
            run = None if self._is_forced(entry, seed) else cache.run(recipe, seed, budget)
            cached = run is not None
            if run is None:
                run = self._train_now(entry, one, recipe, seed, budget)
                cache.keep_run(recipe, run)
            mine.set_result(run)
            return run, cached
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            if not self._is_forced(entry, seed):
                with self._lock:
                    self._under_way.pop((one.number, recipe.key, seed, False), None)

    def _train_now(self, entry: Entry, one: _OnWorkload, recipe: Recipe, seed: int, budget: float) -> SeedRun:
        detail, name = "", one.part.name
        for _ in range(1 + _INTERNAL_RETRIES):
            if self._stopping.is_set():
                break
            try:
                return self._session.trainers.train(
                    recipe,
                    seed,
                    budget,
                    lambda record: self._tell(EpochFinished(entry, name, seed, record, recipe.epochs)),
                    one.number,
                )
            except InternalError as error:
                detail = str(error)
        return SeedRun(seed=seed, verdict=Verdict.INTERNAL, accuracy=None, seconds=0.0, detail=detail[-2000:])

    def _finish(self, progress: _Progress) -> None:
        runs = [run for one in progress.workloads for run in (*one.runs.values(), *one.baselines.values())]
        if self._stopping.is_set() and any(r.verdict is Verdict.INTERNAL for r in runs):
            return  # cut off by the user, not by a fault: the next run takes it up
        result, environment = progress.result(), self._session.environment
        row = row_of(result, self._task, environment)
        with self._writing:
            log = Log(
                row=row,
                environment=environment,
                task=self._writer.identity,
                workloads=tuple(
                    WorkloadLog(
                        name=one.name,
                        compiled=one.compiled,
                        runs=tuple(one.runs),
                        baselines=tuple(one.baselines[seed] for seed in progress.seeds if seed in one.baselines),
                    )
                    for one in result.workloads
                ),
            )
            write_log(self._session.config.folder, log)
            remarks = self._writer.add(row)
            remarks += [
                f"{path} could not be read and was recreated"
                for part in self._session.parts
                for path in part.cache.damaged()
            ]
            if row.verdict is Verdict.INTERNAL:
                self._ungraded.append(row.id)
            for remark in remarks:
                self._tell(Remark(remark))
            self._tell(SubmissionGraded(progress.entry, row))
        certain = all(run.certain for run in runs) and row.verdict is not Verdict.INTERNAL
        if progress.entry.kind is Kind.DEFAULT and not row.verdict.ranked and certain and not self._seeds:
            raise TaskError(_unfit(self._task, row, result))
        self._slots.release()
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._done.set()

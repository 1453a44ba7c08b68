"""The log of one submission: everything about its grading, for the instructor."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from pydantic import Field

from grader.core.environment import Environment
from grader.core.files import write_atomically
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.runs import SeedRun
from grader.core.verdict import MARKS, Violation
from grader.leaderboard.models import GradedRow
from grader.sandbox.compiled import Compiled

F = TypeVar("F", bound=Frozen)


class WorkloadLog(Frozen):
    """What happened on one workload."""

    name: str = ""  # empty for a task with one
    compiled: Compiled
    runs: tuple[SeedRun, ...]
    baselines: tuple[SeedRun, ...] = ()  # the same configuration at its constant rate

    @property
    def public(self) -> "WorkloadLog":
        """The same without what students may not see."""
        return WorkloadLog(
            name=self.name,
            compiled=self.compiled,
            runs=tuple(run.without_private_score for run in self.runs),
            baselines=tuple(run.without_private_score for run in self.baselines),
        )


class Log(Frozen):
    """`log.json`: the row, what the sandbox said (with the recipe and captured output), every training's curves."""

    row: GradedRow
    environment: Environment | None = None  # what graded
    task: str = ""  # SHA-256 of what the board's scores have in common: `grader.leaderboard.ranking.identity`
    workloads: tuple[WorkloadLog, ...] = Field(min_length=1)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All broken rules, each once."""
        return tuple(dict.fromkeys(v for one in self.workloads for v in one.compiled.violations))

    @property
    def output(self) -> str:
        """What the submission printed, on the first workload that it printed something on."""
        return next((one.compiled.output for one in self.workloads if one.compiled.output), "")

    def says_the_same(self, other: "Log") -> bool:
        """Whether the other log is of the same files, compilations and trainings, whenever it was written."""
        return (self.row.submission, self.task, self.row.device, [one.public for one in self.workloads]) == (
            other.row.submission,
            other.task,
            other.row.device,
            [one.public for one in other.workloads],
        )


class PrivateScore(Frozen):
    """What one training reached on the images that the board does not show."""

    workload: str = ""  # where there are several
    seed: int
    accuracy: float
    baseline: float | None


class PrivateScores(Frozen):
    """The withheld scores of everything a student handed in, by the hash of the files."""

    gradings: dict[str, tuple[PrivateScore, ...]]


def folder_of(results: Path, kind: Kind, identity: str) -> Path:
    """Where a submission's log lies below a task's results."""
    return results / "submissions" / kind.value / identity


def write_log(results: Path, log: Log) -> None:
    """Write `log.json` for machines and `log.txt` for people, without what is withheld, which goes to its own file."""
    known = read_log(results, log.row.kind, log.row.id)
    if known is not None and known.says_the_same(log):
        return  # it was taken from the cache: the log tells when it was made
    folder = folder_of(results, log.row.kind, log.row.id)
    public = Log(
        row=log.row,
        environment=log.environment,
        task=log.task,
        workloads=tuple(one.public for one in log.workloads),
    )
    write_atomically(folder / "log.json", public.model_dump_json(indent=1) + "\n")
    write_atomically(folder / "log.txt", describe(public))
    _keep_private_scores(results, log)


def _keep_private_scores(results: Path, log: Log) -> None:
    """Add to what is withheld; seeds of an earlier run with more of them stay. Several runs may do so at once."""
    new: dict[tuple[str, int], PrivateScore] = {}
    for one in log.workloads:
        baselines = {run.seed: run.final for run in one.baselines}
        new |= {
            (one.name, run.seed): PrivateScore(
                workload=one.name, seed=run.seed, accuracy=run.final, baseline=baselines.get(run.seed)
            )
            for run in one.runs
            if run.final is not None
        }
    if not new:
        return
    row, path = log.row, _private_path(results, log.row.kind, log.row.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        known = read_private_scores(results, row.kind, row.id)
        gradings = dict(known.gradings) if known else {}
        merged = {(score.workload, score.seed): score for score in gradings.get(row.submission, ())} | new
        gradings[row.submission] = tuple(merged.values())
        write_atomically(path, PrivateScores(gradings=gradings).model_dump_json(indent=1) + "\n")


def _private_path(results: Path, kind: Kind, identity: str) -> Path:
    """The file of the withheld scores, which lies outside the logs since students may ask for those."""
    return results / "finals" / kind.value / f"{identity}.json"


def read_private_scores(results: Path, kind: Kind, identity: str) -> PrivateScores | None:
    """The withheld scores of a submission; None if there are none."""
    return _read(_private_path(results, kind, identity), PrivateScores.model_validate_json)


def read_log(results: Path, kind: Kind, identity: str) -> Log | None:
    """The log of a submission; None if there is none of this version."""
    return _read(folder_of(results, kind, identity) / "log.json", _log_of)


def logged_rows(results: Path, task: str) -> Iterator[GradedRow]:
    """The last grading of everything that was graded on that very task."""
    for path in sorted((results / "submissions").glob("*/*/log.json")):
        log = _read(path, _log_of)
        if log is not None and log.task == task:
            yield log.row


def _read(path: Path, parse: Callable[[bytes], F]) -> F | None:
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError):
        return None


def _log_of(text: bytes) -> Log:
    """The log in a file, which may have been written before there were several workloads. Raises ValueError."""
    raw = json.loads(text)
    if isinstance(raw, dict) and "workloads" not in raw:
        inner = {name: raw.pop(name) for name in ("compiled", "runs", "baselines") if name in raw}
        text = json.dumps({**raw, "workloads": [inner]}).encode()
    return Log.model_validate_json(text)


def describe(log: Log) -> str:
    """The log as text: verdict, violations, scores, curves, captured output."""
    row = log.row
    lines = [f"{row.id}: {row.verdict}", f"graded {row.graded} in sandbox {row.sandbox} on {row.device}"]
    if row.detail:
        lines.append(row.detail)
    lines += [str(violation) for violation in log.violations]
    lines += [f"{mark}: {MARKS[mark]}" for mark in row.marks]
    lines += [str(warning) for warning in log.workloads[0].compiled.warnings] if log.workloads else []
    if row.accuracy is not None:
        error = f" +- {row.standard_error:.4f}" if row.standard_error is not None else ""
        lines.append(f"accuracy {row.accuracy:.4f}{error} over seeds {', '.join(str(s.seed) for s in row.seeds)}")
    for one in log.workloads:
        if one.name:
            lines += ["", f"workload {one.name}: {one.compiled.verdict} in the sandbox"]
        for run in one.runs:
            lines += ["", *_training(run)]
    lines += ["", "captured output of the submission:", log.output or "(none)"]
    return "\n".join(lines) + "\n"


def _training(run: SeedRun) -> Iterator[str]:
    how = f", transforms {run.transforms}" if run.transforms else ""
    yield f"seed {run.seed}: {run.verdict}, {run.seconds:.1f} s{how}"
    yield "epoch  train loss  accuracy  last lr"
    for r in run.epochs:
        loss = f"{r.train_loss:10.4f}" if r.train_loss is not None else "not finite"
        yield f"{r.epoch:5}  {loss}  {r.accuracy:8.4f}  {r.lr:.6g}"

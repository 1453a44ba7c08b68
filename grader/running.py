"""`grader run` as the command line sees it: find what to grade, set everything up, print, take down."""

import contextlib
import os
from pathlib import Path

from rich.console import Console

from grader import task as tasks
from grader.display import Display, board_table
from grader.errors import InternalError, UsageError
from grader.leaderboard import Kind, check_fits, header, read
from grader.pipeline import DEFAULT_SCHEDULER, Entry, Grading
from grader.result import Verdict
from grader.sandbox.base import SandboxName
from grader.sandbox.choosing import choose
from grader.store import Store
from grader.submission import Passed, discover
from grader.training.pool import TrainerPool, choose_device


def run_class(
    *,
    submissions: Path,
    task_name: str,
    sandbox_name: str,
    device: str,
    jobs: int,
    board_path: Path,
    results: Path,
    references: Path | None,
    force: bool,
) -> None:
    """Grade a folder of submissions. Raises GraderError; InternalError where a submission stayed ungraded."""
    console = Console()
    task = tasks.load(task_name)
    entries, passed = _entries(submissions, references)
    for one in passed:
        console.print(f"passed over {one.name!r}: {one.reason}", markup=False, highlight=False, soft_wrap=True)
    chosen = choose_device(device)
    workers = jobs or (1 if chosen == "cuda" else os.cpu_count() or 1)
    with contextlib.ExitStack() as stack:
        trainers = TrainerPool(task, chosen, workers)
        stack.callback(trainers.close)
        trainers.start()
        sandbox = choose(sandbox_name)
        if sandbox.name is SandboxName.NONE:
            console.print("--sandbox none: the submissions' code runs unprotected, as you", style="bold red")
        stack.callback(sandbox.close)
        sandbox.open(lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))
        facts, trainer = trainers.facts()
        board = header(task, facts, trainer)
        check_fits(board_path, board)
        live = console.is_terminal and not os.environ.get("CI")
        display = Display(console, len(entries), len(task.seeds), live=live)
        console.print(
            f"grading {len(entries)} submissions on {task.name} ({trainer.device}, {workers} at a time, "
            f"sandbox {sandbox.name}, seeds {', '.join(map(str, task.seeds))})",
            highlight=False,
            soft_wrap=True,
        )
        store = Store(results / task.name, task, facts, trainer)
        grading = Grading(
            task, facts, sandbox, trainers, store, board, board_path, display, jobs=workers, force=force
        )
        with display:
            rows = grading.grade(entries)
    final = read(board_path)
    if final is not None:
        console.print(board_table(final))
    console.print(f"leaderboard: {board_path}   logs: {store.folder / 'submissions'}", highlight=False, soft_wrap=True)
    ours = [row.id for row in rows if row.verdict is Verdict.INTERNAL]
    if ours:
        raise InternalError(f"not graded, by no fault of theirs: {', '.join(ours)}; run again to retry")


def _entries(submissions: Path, references: Path | None) -> tuple[list[Entry], list[Passed]]:
    """References first: the board has something to compare with from the start."""
    found, passed = discover(submissions)
    if not found:
        raise UsageError(f"{submissions} holds no submission: each is a folder with scheduler.py, or an archive")
    refs, _ = discover(references or _references())
    entries = [Entry(s, Kind.DEFAULT if s.id == DEFAULT_SCHEDULER else Kind.REFERENCE) for s in refs]
    entries.sort(key=lambda e: (e.kind is not Kind.DEFAULT, e.submission.id))
    return entries + [Entry(s, Kind.STUDENT) for s in found], passed


def _references() -> Path:
    """In a checkout `reference/` at the top; in an installed package its copy."""
    for path in (Path(__file__).parents[1] / "reference", Path(__file__).parent / "references"):
        if path.is_dir():
            return path
    raise UsageError("the reference schedulers are missing from this installation: name them with --reference")

"""`grader run` as the command line sees it: find what to grade, set everything up, print, take down."""

import contextlib
import os
from pathlib import Path

from rich.console import Console

from grader import task as tasks
from grader.board import Kind
from grader.display import Display, print_board
from grader.entry import Entry
from grader.errors import InternalError, UsageError
from grader.leaderboard import check_fits, header, read
from grader.pipeline import Grading
from grader.references import references_for
from grader.result import Verdict
from grader.sandbox.base import SandboxName
from grader.sandbox.choosing import choose
from grader.store import Store
from grader.submission import Passed, discover
from grader.training.pool import TrainerPool, choose_device, default_workers


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
    entries, passed = _students(submissions)
    for one in passed:
        console.print(f"passed over {one.name!r}: {one.reason}", markup=False, highlight=False, soft_wrap=True)
    chosen = choose_device(device)
    workers = jobs or default_workers(chosen)
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
        students = len(entries)
        entries = [*references_for(references, facts), *entries]
        board = header(task, facts, trainer)
        check_fits(board_path, board)
        live = console.is_terminal and not os.environ.get("CI")
        display = Display(console, len(entries), len(task.seeds), live=live)
        console.print(
            f"grading {students} submission(s) and {len(entries) - students} references on {task.name} "
            f"({trainer.device}, {workers} at a time, sandbox {sandbox.name}, "
            f"seeds {', '.join(map(str, task.seeds))})",
            highlight=False,
            soft_wrap=True,
        )
        store = Store(results / task.name, task, facts, trainer)
        grading = Grading(task, facts, sandbox, trainers, store, board, board_path, display, jobs=workers, force=force)
        with display:
            rows = grading.grade(entries)
    final = read(board_path)
    if final is not None:
        print_board(console, final)
        mine = {entry.submission.id for entry in entries if entry.kind is Kind.STUDENT}
        others = [row.id for row in final.rows if row.kind is Kind.STUDENT and row.id not in mine]
        if others:
            named = ", ".join(others[:10]) + (" …" if len(others) > 10 else "")
            text = f"on the board, but not in {submissions}: {named} (grader remove ID takes a row off)"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"leaderboard: {board_path}   logs: {store.folder / 'submissions'}", highlight=False, soft_wrap=True)
    ours = [row.id for row in rows if row.verdict is Verdict.INTERNAL]
    if ours:
        raise InternalError(f"not graded, by no fault of theirs: {', '.join(ours)}; run again to retry")


def _students(submissions: Path) -> tuple[list[Entry], list[Passed]]:
    found, passed = discover(submissions)
    if not found:
        raise UsageError(f"{submissions} holds no submission: each is a folder with scheduler.py, or an archive")
    return [Entry(submission, Kind.STUDENT) for submission in found], passed

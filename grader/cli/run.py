"""`grader run` and `grader gradescope`: grade, print, publish."""

import contextlib
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from grader.cli.progress import Display, print_board
from grader.core.errors import InternalError, SetupError, UsageError
from grader.core.files import check_writable, write_atomically
from grader.core.kind import Kind
from grader.grading.events import Event, Listener, SubmissionGraded, only_remarks, to_all
from grader.grading.logs import read_log
from grader.grading.session import LOCAL, Engine, ready_to_grade
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.points import awards
from grader.leaderboard.seed_allocation import seeds_of, wanting
from grader.publish import gradescope
from grader.publish.live import LiveSite
from grader.publish.names import NameMode, Names
from grader.publish.site import Site
from grader.submissions.entry import Entry
from grader.submissions.loader import Passed, Submission, discover
from grader.submissions.references import DEFAULT, references_for


@dataclass(frozen=True)
class Publication:
    """A site that is kept up to date during a run."""

    site: Site
    names: Names


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


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
    publication: Publication | None = None,
    adaptive: bool = False,
    engine: Engine = LOCAL,
) -> None:
    """Grade a folder of submissions; with `adaptive`, with more seeds where they decide something.

    Raises GraderError; InternalError where a submission stayed ungraded.
    """
    console = Console()
    students, passed = _students(submissions)
    if len(students) == 1 and (submissions / "scheduler.py").is_file():
        _say(console, f"{submissions} is one submission: give the folder above it to grade a class")
    for one in passed:
        _say(console, f"passed over {one.name!r}: {one.reason}")
    check_writable(board_path.parent)
    with ready_to_grade(
        lambda text: _say(console, text), task_name, sandbox_name, device, jobs, results, engine
    ) as ready:
        if publication is not None and publication.names.mode is NameMode.PSEUDONYMS:
            random.shuffle(students)  # the order in which rows appear would be that of the names
        entries = [*references_for(references, ready.facts), *students]
        ledger = ready.ledger(board_path)
        live = console.is_terminal and not os.environ.get("CI")
        display = Display(console, len(entries), len(ready.task.seeds), live=live)
        console.print(
            f"grading {len(students)} submission(s) and {len(entries) - len(students)} references on "
            f"{ready.task.name} ({ready.board.hardware.device}, {ready.workers} at a time, sandbox "
            f"{ready.sandbox.name}, seeds {', '.join(map(str, ready.task.seeds))})",
            highlight=False,
            soft_wrap=True,
        )
        with contextlib.ExitStack() as stack:
            stack.callback(ledger.close)
            listeners: list[Listener] = [stack.enter_context(display).listen]
            if publication is not None:
                page = LiveSite(publication.site, publication.names, ledger, entries)
                listeners.append(_shown_on(stack.enter_context(page)))
                _say(console, f"site: {publication.site.folder / 'index.html'}")
            ungraded = ready.grading(ledger, to_all(listeners), force=force).grade(entries)
            final = ledger.settle()
            stuck: set[str] = set()  # recipes that another seed was tried for and did not stick
            while adaptive and (wanted := _wanting(final, entries, stuck)):
                keys = {key: seeds_of(ready.task.seeds, count + 1) for key, (_, count) in wanted.items()}
                again = [entry for entry in entries if (entry.kind, entry.submission.id) in keys]
                _say(console, f"another seed for {len(again)} that a neighbour on the board cannot be told from")
                ungraded += ready.grading(ledger, only_remarks(to_all(listeners)), seeds=keys).grade(again)
                final = ledger.settle()
                there = {(row.kind, row.id): len(row.seeds) for row in final.rows}
                stuck |= {recipe for key, (recipe, count) in wanted.items() if there.get(key, 0) <= count}
            if publication is not None:
                page.settle(final)
    print_board(console, final)
    mine = {entry.submission.id for entry in students}
    others = [row.id for row in final.rows if row.kind is Kind.STUDENT and row.id not in mine]
    if others:
        named = ", ".join(others[:10]) + (" …" if len(others) > 10 else "")
        _say(console, f"on the board, but not in {submissions}: {named} (grader remove ID takes a row off)")
    _say(console, f"leaderboard: {board_path}   logs: {ready.store.folder / 'submissions'}")
    if publication is not None and page.problem is not None:
        _say(console, f"the site is not up to date: {page.problem}")
    _raise_for(ungraded)


def _shown_on(page: LiveSite) -> Listener:
    def listen(event: Event) -> None:
        if isinstance(event, SubmissionGraded):
            page.graded(event.entry)

    return listen


def _wanting(board: Leaderboard, entries: list[Entry], stuck: set[str]) -> dict[tuple[Kind, str], tuple[str, int]]:
    """Recipe and number of seeds of the rows that want another; equal recipes go together.

    Of those that are graded here, in the version that is.
    """
    here = {(entry.kind, entry.submission.id): entry.submission.content_key for entry in entries}
    recipes = {row.recipe for row in wanting(board)} - stuck
    return {
        (row.kind, row.id): (row.recipe, len(row.seeds))
        for row in board.rows
        if row.recipe is not None and row.recipe in recipes and here.get((row.kind, row.id)) == row.submission
    }


def _raise_for(ungraded: list[str]) -> None:
    if ungraded:
        named = ", ".join(sorted(set(ungraded)))
        raise InternalError(f"not graded, by no fault of theirs: {named}; run again to retry")


def _students(submissions: Path) -> tuple[list[Entry], list[Passed]]:
    found, passed = discover(submissions)
    if not found:
        raise UsageError(f"{submissions} holds no submission: each is a folder with scheduler.py, or an archive")
    return [Entry(submission, Kind.STUDENT) for submission in found], passed


def run_gradescope(
    *,
    submission: Submission,
    out: Path,
    task_name: str,
    sandbox_name: str,
    device: str,
    results: Path,
) -> None:
    """Grade one submission beside the default scheduler and write Gradescope's results.json.

    Raises GraderError, and then writes nothing: Gradescope says that the autograder failed, and nobody
    gets a score that is not theirs.
    """
    console = Console(stderr=True)
    try:
        out.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{out} cannot be written: {error.strerror}") from None
    with (
        tempfile.TemporaryDirectory() as folder,
        ready_to_grade(lambda text: _say(console, text), task_name, sandbox_name, device, 0, results) as ready,
    ):
        default = [e for e in references_for(None, ready.facts) if e.submission.id == DEFAULT]
        entries = [*default, Entry(submission, Kind.STUDENT)]
        ledger = ready.ledger(Path(folder) / "leaderboard.json")
        with Display(console, len(entries), len(ready.task.seeds), live=False) as display:
            ungraded = ready.grading(ledger, display.listen).grade(entries)
        board = ledger.settle()
    _raise_for(ungraded)
    row = next(row for row in board.rows if row.kind is Kind.STUDENT)
    log = read_log(ready.store.folder, row.kind, row.id)
    assert log is not None
    text = gradescope.results(row, awards(row, board), log.compiled.violations, log.compiled.output)
    write_atomically(out, text)
    _say(console, f"wrote {out}")

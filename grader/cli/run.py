"""`grader run` and `grader gradescope`: grade, print, publish."""

import contextlib
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from grader.cli.progress import Display, print_board, say
from grader.core.errors import InternalError, SetupError, UsageError
from grader.core.files import check_writable, write_atomically
from grader.core.kind import Kind
from grader.core.text import nearest
from grader.grading.config import RunConfig
from grader.grading.events import Event, Listener, SubmissionGraded, to_all
from grader.grading.logs import read_log
from grader.grading.run import grade_class
from grader.grading.session import Session, open_session
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.points import awards
from grader.publish import gradescope
from grader.publish.live import LiveSite
from grader.publish.names import NameMode, Names
from grader.publish.site import Site
from grader.submissions.entry import Entry
from grader.submissions.intake import Class, Layout, Skipped, discover
from grader.submissions.loader import Submission
from grader.submissions.references import DEFAULT, references_for
from grader.submissions.roster import Matched, handed_in_nothing, match, read_roster

_SKIPPED_SHOWN = 20  # of each reason: more than a class has by accident


@dataclass(frozen=True)
class Publication:
    """A site that is kept up to date during a run."""

    site: Site
    names: Names


@dataclass(frozen=True)
class HandedIn:
    """A class that is to be graded."""

    place: Path
    matched: Matched
    roster: Path | None
    is_whole: bool = True  # False: only some of those who handed in


def run_class(config: RunConfig, handed_in: HandedIn, board_path: Path, publication: Publication | None = None) -> None:
    """Grade a class. Raises GraderError; InternalError if a submission stayed ungraded."""
    console = Console()
    students = _entries_of(console, handed_in)
    check_writable(board_path.parent)
    with contextlib.ExitStack() as opened:
        with console.status("starting the trainers and the sandbox"):
            session = opened.enter_context(open_session(config, lambda text: say(console, text)))
        if publication is not None and publication.names.mode is NameMode.PSEUDONYMS:
            random.shuffle(students)  # the order in which rows appear would be that of the names
        entries = [*references_for(config.references, session.parts[0].facts), *students]
        _announce(console, session, students, entries)
        writer = session.writer(board_path)
        live = console.is_terminal and not os.environ.get("CI")
        display = Display(console, len(entries), config.task, live=live)
        with contextlib.ExitStack() as stack:
            stack.callback(writer.close)
            listeners: list[Listener] = [stack.enter_context(display).listen]
            page = None
            if publication is not None:
                page = LiveSite(publication.site, publication.names, writer, entries)
                listeners.append(_shown_on(stack.enter_context(page)))
                say(console, f"site: {publication.site.folder / 'index.html'}")
            graded = grade_class(session, writer, entries, to_all(listeners))
            if page is not None:
                page.settle(graded.board)
    print_board(console, graded.board)
    if handed_in.is_whole:
        _name_others(console, graded.board, students, handed_in.place)
    say(console, f"leaderboard: {board_path}   logs: {config.folder / 'submissions'}")
    if page is not None and page.problem is not None:
        say(console, f"the site is not up to date: {page.problem}")
    _raise_for(graded.ungraded)


def class_in(submissions: Path, layout: Layout, roster: Path | None) -> HandedIn:
    """The class in a folder, beside its roster. Raises UsageError if nobody has handed in anything."""
    matched = match(discover(submissions, layout), read_roster(roster) if roster is not None else ())
    if not matched.found.hand_ins:
        raise UsageError(f"{submissions} holds no submission: each is a folder with scheduler.py, or an archive")
    return HandedIn(submissions, matched, roster)


def some_of(handed_in: HandedIn, ids: Sequence[str]) -> HandedIn:
    """Some students of a class. Raises UsageError if one of them is not there."""
    matched = handed_in.matched
    names = {one.submission.id for one in matched.found.hand_ins}
    if unknown := sorted(set(ids) - names):
        near = ", ".join(nearest(unknown[0], names))
        raise UsageError(f"{handed_in.place} holds no submission called {unknown[0]}; there is {near}")
    chosen = tuple(one for one in matched.found.hand_ins if one.submission.id in ids)
    return replace(handed_in, matched=replace(matched, found=Class(chosen, ()), missing=(), unknown=()), is_whole=False)


def _entries_of(console: Console, handed_in: HandedIn) -> list[Entry]:
    """Those who handed in, and those of the roster who did not; what is no submission is named."""
    found = handed_in.matched.found
    if len(found.hand_ins) == 1 and (handed_in.place / "scheduler.py").is_file():
        say(console, f"{handed_in.place} is one submission: give the folder above it to grade a class")
    _say_skipped(console, found.skipped)
    if handed_in.roster is not None and (unknown := handed_in.matched.unknown):
        say(console, f"of nobody in {handed_in.roster}: {', '.join(unknown)} (see grader intake --roster)")
    nothing = [handed_in_nothing(student).submission for student in handed_in.matched.missing]
    return [Entry(submission, Kind.STUDENT) for submission in (*found.submissions, *nothing)]


def _say_skipped(console: Console, skipped: Sequence[Skipped]) -> None:
    """Each by its name; of many with the same reason the first ones, and how many more there are."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one.reason, []).append(one.name)
    for reason, names in by_reason.items():
        for name in names[:_SKIPPED_SHOWN]:
            say(console, f"skipped {name!r}: {reason}")
        if len(names) > _SKIPPED_SHOWN:
            say(console, f"skipped {len(names) - _SKIPPED_SHOWN} more for the same reason: {reason}")


def _announce(console: Console, session: Session, students: Sequence[Entry], entries: Sequence[Entry]) -> None:
    task = session.task
    say(
        console,
        f"grading {len(students)} submission(s) and {len(entries) - len(students)} references on {task.name} "
        f"({session.environment.device}, {session.workers} at a time, sandbox {session.sandbox.name}, "
        f"seeds {', '.join(map(str, task.seeds))})",
    )


def _name_others(console: Console, board: Leaderboard, students: Sequence[Entry], submissions: Path) -> None:
    """Rows that stay on the board though their submissions are not in the folder."""
    mine = {entry.submission.id for entry in students}
    others = [row.id for row in board.rows if row.kind is Kind.STUDENT and row.id not in mine]
    if others:
        named = ", ".join(others[:10]) + (" …" if len(others) > 10 else "")
        say(console, f"on the board, but not in {submissions}: {named} (grader remove ID takes a row off)")


def _shown_on(page: LiveSite) -> Listener:
    def listen(event: Event) -> None:
        if isinstance(event, SubmissionGraded):
            page.graded(event.entry)

    return listen


def _raise_for(ungraded: Sequence[str]) -> None:
    if ungraded:
        raise InternalError(f"not graded because of an error of the grader: {', '.join(ungraded)}; run again to retry")


def discard(out: Path) -> None:
    """Remove the results of an earlier grading, which nobody gets again whatever fails now. Raises SetupError."""
    try:
        out.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{out} cannot be written: {error.strerror}") from None


def run_gradescope(config: RunConfig, submission: Submission, out: Path) -> None:
    """Grade one submission beside the default scheduler and write Gradescope's results.json.

    Raises GraderError, and then writes nothing: Gradescope says that the autograder failed, and nobody
    gets a score that is not theirs.
    """
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_session(config, lambda text: say(console, text)) as session,
    ):
        default = [e for e in references_for(None, session.parts[0].facts) if e.submission.id == DEFAULT]
        entries = [*default, Entry(submission, Kind.STUDENT)]
        writer = session.writer(Path(folder) / "leaderboard.json")
        with Display(console, len(entries), config.task, live=False) as display:
            graded = grade_class(session, writer, entries, display.listen)
        writer.close()
    _raise_for(graded.ungraded)
    row = next(row for row in graded.board.rows if row.kind is Kind.STUDENT)
    log = read_log(config.folder, row.kind, row.id)
    assert log is not None
    text = gradescope.results(row, awards(row, graded.board), log.violations, log.output, graded.board.policy.by)
    write_atomically(out, text)
    say(console, f"wrote {out}")

"""Commands that show a leaderboard to others: the web site, and the formats that courses use."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader.cli.app import BOARD, BoardOption, app, chosen
from grader.core.errors import UsageError
from grader.core.extras import Extra, need
from grader.core.text import no_command

if TYPE_CHECKING:
    from grader.leaderboard.models import GradedRow
    from grader.publish.export import Printed

NamesOption = Annotated[
    str, typer.Option("--names", help="full, pseudonyms (needs a secret), or top-N: only the first N ranks.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="A file with the secret of the pseudonyms; default: the variable GRADER_PSEUDONYM_KEY."),
]
FinalOption = Annotated[
    bool, typer.Option("--final", help="Rank by the held-out images that the board has not shown so far.")
]
FinalResults = Annotated[Path, typer.Option(help="--final: where grader run kept its results.")]


@app.command()
def publish(
    leaderboard: BoardOption = BOARD,
    out: Annotated[Path, typer.Option(help="The folder of the site: new, empty, or of an earlier call.")] = Path(
        "site"
    ),
    names: NamesOption = "full",
    key_file: KeyFile = None,
    final: FinalOption = False,
    results: FinalResults = Path("results"),
) -> None:
    """Write the leaderboard as a static web site, which works from a file and from GitHub Pages."""
    need(Extra.COURSE, "scipy")
    from grader.grading.private_split import final_board
    from grader.leaderboard.storage import board_at
    from grader.publish.names import parse
    from grader.publish.public import public
    from grader.publish.site import Site

    shown_as = parse(names, key_file)
    board = board_at(leaderboard)
    if final:
        board = final_board(board, results)
    index = Site(out).write(public(board, shown_as, final=final))
    print(f"wrote {index}")


@app.command()
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats above.")],
    leaderboard: BoardOption = BOARD,
    out: Annotated[Path | None, typer.Option(help="The file to write; default: standard output.")] = None,
    identity: Annotated[str, typer.Option("--id", help="The submission, for formats about one.")] = "",
    names: NamesOption = "full",
    key_file: KeyFile = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            help="canvas, moodle, blackboard: the table that the system exported. gradebook: who is in the course."
        ),
    ] = None,
    assignment: Annotated[
        str, typer.Option(help="canvas, blackboard: the assignment's column, such as 'LR week (1234)'.")
    ] = "",
    columns: Annotated[str, typer.Option(help="gradebook: which columns, such as id,points. Default: all.")] = "",
    submissions: Annotated[str, typer.Option(help="annotations: the submissions' folder in the repository.")] = (
        "submissions"
    ),
    results: Annotated[Path, typer.Option(help="Where grader run keeps its results.")] = Path("results"),
    final: FinalOption = False,
) -> None:
    """Write the leaderboard, or one submission of it, as another program reads it.

    Of the whole board: markdown, summary (the job's page on GitHub), csv, annotations, badge, shields.
    For gradebooks: canvas, moodle, blackboard, gradebook (columns of your choice).
    Of one submission (--id): gradescope, codabench, classroom, badge.
    """
    need(Extra.COURSE, "scipy")
    from grader.grading.private_split import final_board
    from grader.leaderboard.storage import board_at
    from grader.publish.export import ABOUT_ONE, FORMATS, Request

    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}: use {', '.join(FORMATS)}")
    if identity and form not in ABOUT_ONE:
        raise UsageError(f"{form} is about the whole board: leave out --id, which goes with {', '.join(ABOUT_ONE)}")
    from grader.publish.names import parse

    board = board_at(leaderboard)
    request = Request(
        board=final_board(board, results) if final else board,
        names=parse(names, key_file),
        identity=identity,
        roster=roster,
        assignment=assignment,
        columns=columns,
        submissions=submissions,
        final=final,
        printed=lambda row: _printed(results / board.task.name, row),
    )
    text = FORMATS[form](request)
    for remark in request.remarks:
        print(f"grader: {no_command(remark)}", file=sys.stderr)
    if out is None:
        sys.stdout.write(text)
    else:
        from grader.core.files import write_atomically

        write_atomically(out, text)
        print(f"wrote {out}")


@app.command()
def feedback(
    leaderboard: BoardOption = BOARD,
    out: Annotated[
        Path, typer.Option(help="A folder with a folder per student: new, empty, or of an earlier call.")
    ] = Path("feedback"),
    submissions: Annotated[
        Path | None,
        typer.Option(help="What Moodle or Canvas gave out: makes the archive that it takes back, too."),
    ] = None,
    layout: Annotated[
        str, typer.Option("--intake", help="How submissions are laid out: auto, canvas or moodle.")
    ] = "auto",
    roster: Annotated[Path | None, typer.Option(help="The roster that the class was graded with, if any.")] = None,
    final: FinalOption = False,
    results: FinalResults = Path("results"),
) -> None:
    """Write feedback for each student: a page and a text about the student's own submission alone."""
    need(Extra.COURSE, "scipy")
    from grader.cli.render_feedback import run_feedback
    from grader.grading.private_split import final_board
    from grader.leaderboard.storage import board_at
    from grader.submissions.intake import Layout

    board = board_at(leaderboard)
    board = final_board(board, results) if final else board
    run_feedback(board, out, submissions, chosen(Layout, layout, "layout"), roster, final=final)


@app.command()
def pseudonyms(leaderboard: BoardOption = BOARD, key_file: KeyFile = None) -> None:
    """Print whose pseudonym is whose, as CSV: for the instructor alone."""
    need(Extra.COURSE, "scipy")
    from grader.leaderboard.storage import board_at
    from grader.publish.names import parse, shown
    from grader.publish.tables import written

    board = board_at(leaderboard)
    found = shown(board, parse("pseudonyms", key_file))
    rows = [(r.id, ", ".join(r.team), found[r.kind, r.id].name) for r in board.rows if r.kind == "student"]
    sys.stdout.write(written([("id", "team", "pseudonym"), *rows]))


def _printed(results: Path, row: "GradedRow") -> "Printed | None":
    """From the log of that very grading, where there is one."""
    from grader.grading.logs import read_log
    from grader.publish.export import Printed

    log = read_log(results, row.kind, row.id)
    if log is None or log.row.submission != row.submission:
        return None
    return Printed(log.violations, log.output)

"""The command line's root, on which every command is registered."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from grader import __version__
from grader.core.errors import UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Grade learning-rate schedulers: compile them to recipes in a sandbox, train, rank.",
)

BOARD = Path("leaderboard/leaderboard.json")
#: The option of every command that reads or changes a board.
BoardOption = Annotated[Path, typer.Option("--leaderboard", help="The JSON leaderboard.")]


E = TypeVar("E", bound=StrEnum)


def chosen(kind: type[E], name: str, what: str) -> E:
    """The member of an enumeration that an option names; `what` is what its members are. Raises UsageError."""
    try:
        return kind(name)
    except ValueError:
        raise UsageError(f"there is no {what} {name!r}: use {', '.join(kind)}") from None


def interrupted() -> NoReturn:
    """End at once, with the exit code of an interrupt."""
    print("grader: interrupted; the next run continues from here", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(130)  # threads that still wait for a training must not hold the process


def _version(wanted: bool) -> None:
    if wanted:
        print(f"grader {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Grade learning-rate schedulers."""

"""The command line: parses, calls, prints. Sole owner of exit codes.

0 done; 1 a submission was rejected (commands about one submission); 2 the call makes no sense;
3 this machine, the task or its data; 4 our fault; 130 interrupted.
"""

import io
import sys

import typer

from grader.cli import grading, publishing, student
from grader.cli.app import app, interrupted
from grader.core.errors import GraderError, InternalError, SetupError, UsageError
from grader.core.text import no_command

__all__ = ["app", "grading", "main", "publishing", "student"]


def main() -> None:
    """Entry point of `grader`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? and lives
    try:
        code = app(standalone_mode=False)  # Typer hands back the code of typer.Exit
        sys.exit(code if isinstance(code, int) else 0)
    except GraderError as error:
        print(f"grader: {no_command(str(error))}", file=sys.stderr)
        sys.exit(_exit_code(error))
    except (KeyboardInterrupt, typer.Abort):
        interrupted()
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            if not error.format_message():
                sys.exit(2)  # no command: the help is printed already
            print(f"grader: {error.format_message()} (see grader --help)", file=sys.stderr)
            sys.exit(2)
        raise


def _exit_code(error: GraderError) -> int:
    match error:
        case UsageError():
            return 2
        case SetupError():
            return 3
        case InternalError():
            return 4
        case _:
            return 1


if __name__ == "__main__":
    main()

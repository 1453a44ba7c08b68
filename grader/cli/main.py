"""The command line: parses, calls, prints, and sets the exit code.

0 done; 1 a submission was rejected (commands about one submission); 2 a usage error;
3 the machine, the task or its data set; 4 an internal error; 130 interrupted.
"""

import io
import shutil
import sys
import textwrap

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
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? instead of failing
    try:
        code = app(standalone_mode=False)  # Typer hands back the code of typer.Exit
        sys.exit(code if isinstance(code, int) else 0)
    except GraderError as error:
        _complain(no_command(str(error)))
        sys.exit(_exit_code(error))
    except (KeyboardInterrupt, typer.Abort):
        interrupted()
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            if not error.format_message():
                sys.exit(2)  # no command: the help is printed already
            _complain(f"{error.format_message()} (see grader --help)")
            sys.exit(2)
        raise


def _complain(text: str) -> None:
    """Print an error: wrapped between words on a terminal, as it is elsewhere."""
    lines = f"grader: {text}".splitlines()
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        wrapped = (textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) for line in lines)
        lines = [part for line in wrapped for part in line or [""]]
    print("\n".join(lines), file=sys.stderr)


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

"""The command line: parses, calls, prints. Sole owner of exit codes.

0 done; 1 a submission was rejected (commands about one submission); 2 the call makes no sense;
3 this machine, the task or its data; 4 our fault; 130 interrupted.
"""

import io
import os
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from grader import __version__
from grader.errors import GraderError, InternalError, SetupError, UsageError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Grade learning-rate schedulers: compile them to recipes in a sandbox, train, rank.",
)

BOARD = Path("leaderboard/leaderboard.json")


def main() -> None:
    """Entry point of `grader`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? and lives
    try:
        code = app(standalone_mode=False)  # Typer hands back the code of typer.Exit
        sys.exit(code if isinstance(code, int) else 0)
    except GraderError as error:
        print(f"grader: {error}", file=sys.stderr)
        sys.exit(_exit_code(error))
    except (KeyboardInterrupt, typer.Abort):
        _interrupted()
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            if not error.format_message():
                sys.exit(2)  # no command: the help is printed already
            print(f"grader: {error.format_message()} (see grader --help)", file=sys.stderr)
            sys.exit(2)
        raise


def _interrupted() -> NoReturn:
    print("grader: interrupted; the next run goes on from here", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(130)  # threads that still wait for a training must not hold the process


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


@app.command()
def run(
    submissions: Annotated[Path, typer.Argument(help="Folder with a folder or archive per submission.")],
    task: Annotated[str, typer.Option(help="A shipped task (digits, cifar10) or the path of a task file.")] = "digits",
    sandbox: Annotated[str, typer.Option(help="auto, docker, sandlock, or none (no protection).")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Sandboxes and trainings at a time; 0 chooses.")] = 0,
    leaderboard: Annotated[
        Path | None,
        typer.Option(help=f"The JSON leaderboard to update; {BOARD}, or one beside it for another task."),
    ] = None,
    results: Annotated[Path, typer.Option(help="Where logs and finished work are kept.")] = Path("results"),
    reference: Annotated[Path | None, typer.Option(help="Folder of reference schedulers.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compile and train again what is already known.")] = False,
) -> None:
    """Grade every submission in a folder and rank it on the leaderboard beside the references."""
    from grader.running import run_class

    try:
        run_class(
            submissions=submissions,
            task_name=task,
            sandbox_name=sandbox,
            device=device,
            jobs=jobs,
            board_path=leaderboard or _board_of(task),
            results=results,
            references=reference,
            force=force,
        )
    except KeyboardInterrupt:  # here, since Typer would make an exit of it that says nothing
        _interrupted()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Write the assignment into a folder: scheduler, configuration, model, training script, texts."""
    from grader.scaffolding import write_kit

    for path in write_kit(folder):
        print(f"wrote {path}")
    print(f"next: edit {folder / 'scheduler.py'}, then grader check {folder}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder with scheduler.py and config.py.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the schedule into this .png or .svg file.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for a GitHub workflow.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file changes.")] = False,
) -> None:
    """Say in seconds what grader run would say: violations, the schedule, advice. Runs your code unprotected."""
    from grader.sandbox.plain import PlainSandbox

    sandbox = PlainSandbox()
    sandbox.warm_up()  # torch is imported over there while this process imports its own
    from rich.console import Console

    from grader import plots, show_check
    from grader.checking import check as check_folder

    if plot is not None:
        plots.check_name(plot)
    while True:
        seen = _times(folder)
        checked = check_folder(folder, sandbox)
        if as_json:
            print(show_check.as_json(checked))
        else:
            show_check.as_text(checked, Console())
        drawn = checked.compiled.recipe or checked.compiled.draft
        if plot is not None and drawn is not None:
            plots.schedule(drawn, plot)
            print(f"schedule drawn in {plot}", file=sys.stderr)
        if github and (annotations := show_check.as_github(checked, folder)):
            print(annotations)
        if not watch:
            sandbox.close()
            raise typer.Exit(0 if checked.accepted else 1)
        print("watching; ^C ends", flush=True)
        sandbox.warm_up()
        while _times(folder) == seen:
            time.sleep(0.3)


@app.command()
def compare(
    folder: Annotated[Path, typer.Argument(help="The folder with scheduler.py and config.py.")] = Path("."),
    with_: Annotated[str, typer.Option("--with", help="References to train as well, such as cosine,constant.")] = "",
    task: Annotated[str, typer.Option(help="cifar10, digits (no download), or a task file.")] = "cifar10",
    data: Annotated[Path | None, typer.Option(help="Image folder with train/CLASS and test/CLASS instead.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per schedule.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    plot: Annotated[Path, typer.Option(help="Where the figure goes: .png or .svg.")] = Path("compare.png"),
    results: Annotated[Path, typer.Option(help="Where finished trainings are kept.")] = Path("results"),
) -> None:
    """Train your scheduler and the default one on the public task, with the same seeds, and draw both."""
    from grader import plots
    from grader.show_compare import run_comparison

    plots.check_name(plot)
    others = [name.strip() for name in with_.split(",") if name.strip()]
    try:
        run_comparison(folder, task, data, seeds, others, device, results, plot)
    except KeyboardInterrupt:
        _interrupted()


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="step-decay, cosine, polynomial, warmup, all, or a study file.")] = "all",
    task: Annotated[str, typer.Option(help="digits (no download), cifar10, or a task file.")] = "digits",
    data: Annotated[Path | None, typer.Option(help="Image folder with train/CLASS and test/CLASS instead.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per schedule.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs per training; the study's own otherwise.")] = None,
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Trainings at a time; 0 chooses.")] = 0,
    results: Annotated[Path, typer.Option(help="Where finished trainings are kept.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Where the report goes: a folder per task and study.")] = Path("study"),
) -> None:
    """Reproduce an exercise on learning-rate schedules: train its variants, and report with figures and intervals."""
    from grader.show_study import run_and_report

    try:
        run_and_report(name, task, data, seeds, epochs, device, jobs, results, out)
    except KeyboardInterrupt:
        _interrupted()


def _times(folder: Path) -> dict[Path, int]:
    """When the submission's files last changed."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob("*")) if path.is_file()}


def _board_of(task: str) -> Path:
    """The usual file; where that holds another task's scores, one with the task's name beside it."""
    from grader.errors import SetupError as Unreadable
    from grader.leaderboard import read
    from grader.task import load

    name = load(task).name
    try:
        there = read(BOARD)
    except Unreadable:
        return BOARD
    return BOARD if there is None or there.task.name == name else BOARD.with_name(f"{name}.json")


@app.command()
def remove(
    ids: Annotated[list[str], typer.Argument(help="The submissions whose rows go.")],
    leaderboard: Annotated[Path, typer.Option(help="The JSON leaderboard.")] = BOARD,
) -> None:
    """Take students' rows off a leaderboard: a run never does, since it cannot know who has left."""
    from grader.leaderboard import remove as remove_rows

    gone = remove_rows(leaderboard, ids)
    missing = sorted(set(ids) - set(gone))
    if missing:
        raise UsageError(f"not on {leaderboard}: {', '.join(missing)}")


@app.command()
def show(
    leaderboard: Annotated[Path, typer.Argument(help="A JSON leaderboard.")] = BOARD,
) -> None:
    """Print a leaderboard as a table."""
    from rich.console import Console

    from grader.display import print_board
    from grader.leaderboard import read

    board = read(leaderboard)
    if board is None:
        raise UsageError(f"there is no leaderboard at {leaderboard}: grader run makes one")
    print_board(Console(), board)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the leaderboard file."""
    import json

    from grader.board import Leaderboard

    print(json.dumps(Leaderboard.model_json_schema(mode="serialization"), indent=2))


if __name__ == "__main__":
    main()

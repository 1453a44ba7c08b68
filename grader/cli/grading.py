"""Commands that grade, and those that look after the leaderboard."""

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.app import BOARD, BoardOption, app, chosen, interrupted
from grader.core.errors import SetupError, UsageError
from grader.core.extras import Extra, need

_CLASS = "A folder with a folder or archive per submission, or what a learning-management system gives out."
_ROSTER = "Who is in the course: a CSV file, such as your learning-management system's."
_LAYOUTS = "How submissions are laid out: auto, folders, canvas, moodle, gradescope or classroom."
#: Options that several commands have.
SandboxOption = Annotated[str, typer.Option(help="auto, docker, sandlock, or none (no protection).")]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda or cpu.")]
TaskOption = Annotated[str, typer.Option(help="A shipped task or the path of a task file.")]
ClassTaskOption = Annotated[str, typer.Option(help="A shipped task (digits, cifar10) or the path of a task file.")]
JobsOption = Annotated[int, typer.Option(min=0, help="Sandboxes and trainings at a time; 0 chooses.")]
ResultsOption = Annotated[Path, typer.Option(help="Where logs and the cache are kept.")]
ReferenceOption = Annotated[Path | None, typer.Option(help="Folder of reference schedulers.")]
IntakeOption = Annotated[str, typer.Option(help=_LAYOUTS)]
RosterOption = Annotated[Path | None, typer.Option(help=_ROSTER)]
UpdatedBoardOption = Annotated[
    Path | None,
    typer.Option(help=f"The JSON leaderboard to update; {BOARD}, or one beside it for another task."),
]


@app.command()
def run(
    submissions: Annotated[Path, typer.Argument(help=_CLASS)],
    task: ClassTaskOption = "digits",
    sandbox: SandboxOption = "auto",
    device: DeviceOption = "auto",
    jobs: JobsOption = 0,
    leaderboard: UpdatedBoardOption = None,
    results: ResultsOption = Path("results"),
    reference: ReferenceOption = None,
    seeds: Annotated[
        str, typer.Option(help="fixed: the task's seeds. adaptive: more where neighbours cannot be told apart.")
    ] = "fixed",
    force: Annotated[bool, typer.Option("--force", help="Compile and train again what is cached.")] = False,
    engine: Annotated[str, typer.Option(help="local, or ray: sandboxes and trainings on a Ray cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="ray: the cluster, such as HOST:6379; default: RAY_ADDRESS, or a new one on this machine."),
    ] = None,
    gpus_per_training: Annotated[float, typer.Option(help="ray: GPUs per training, such as 0.25 or 2.")] = 1.0,
    site: Annotated[
        Path | None, typer.Option(help="Keep a web site in this folder up to date while results come in.")
    ] = None,
    names: Annotated[str, typer.Option(help="site: full, pseudonyms, or top-N.")] = "full",
    key_file: Annotated[Path | None, typer.Option(help="site: a file with the secret of the pseudonyms.")] = None,
    intake: IntakeOption = "auto",
    roster: RosterOption = None,
) -> None:
    """Grade every submission in a folder and rank it on the leaderboard beside the references."""
    need(Extra.COURSE)
    from grader.cli.run import Publication, class_in, run_class
    from grader.core.task_file import load
    from grader.grading.config import Engine, EngineName, RunConfig, SeedPolicy
    from grader.publish.github import only_text
    from grader.publish.names import parse
    from grader.publish.site import Site
    from grader.sandbox.base import SandboxChoice
    from grader.submissions.intake import Layout
    from grader.training.pool import DeviceChoice

    layout = chosen(Layout, intake, "layout")
    engine_name = chosen(EngineName, engine, "engine")
    if engine_name is EngineName.LOCAL and (address is not None or gpus_per_training != 1.0):
        raise UsageError("--address and --gpus-per-training belong to --engine ray")
    names_mode = parse(names, key_file)
    config = RunConfig(
        task=load(task),
        results=results,
        sandbox=chosen(SandboxChoice, sandbox, "sandbox"),
        device=chosen(DeviceChoice, device, "device"),
        jobs=jobs,
        engine=Engine(name=engine_name, address=address, gpus_per_training=gpus_per_training),
        references=reference,
        seeds=chosen(SeedPolicy, seeds, "seed policy"),
        force=force,
    )
    publication = Publication(Site(site), names_mode) if site is not None else None
    try:
        with only_text():
            students = class_in(submissions, layout, roster)
            run_class(config, students, leaderboard or _board_of(config.task.name), publication)
    except KeyboardInterrupt:  # here, since Typer would make an exit of it that says nothing
        interrupted()


@app.command()
def regrade(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="The submissions to grade again.")],
    submissions: Annotated[Path, typer.Option(help=_CLASS)] = Path("submissions"),
    task: ClassTaskOption = "digits",
    sandbox: SandboxOption = "auto",
    device: DeviceOption = "auto",
    jobs: JobsOption = 0,
    leaderboard: UpdatedBoardOption = None,
    results: ResultsOption = Path("results"),
    reference: ReferenceOption = None,
    intake: IntakeOption = "auto",
    roster: RosterOption = None,
) -> None:
    """Grade some submissions again, without what is cached of them. `grader run --force` does so for all."""
    need(Extra.COURSE)
    from grader.cli.run import class_in, run_class, some_of
    from grader.core.task_file import load
    from grader.grading.config import RunConfig
    from grader.publish.github import only_text
    from grader.sandbox.base import SandboxChoice
    from grader.submissions.intake import Layout
    from grader.training.pool import DeviceChoice

    config = RunConfig(
        task=load(task),
        results=results,
        sandbox=chosen(SandboxChoice, sandbox, "sandbox"),
        device=chosen(DeviceChoice, device, "device"),
        jobs=jobs,
        references=reference,
        again=frozenset(ids),
    )
    try:
        with only_text():
            board = leaderboard or _board_of(config.task.name)
            if not board.exists():
                raise UsageError(f"there is no leaderboard at {board}: grade the class with grader run first")
            students = some_of(class_in(submissions, chosen(Layout, intake, "layout"), roster), ids)
            run_class(config, students, board)
    except KeyboardInterrupt:
        interrupted()


@app.command()
def intake(
    submissions: Annotated[Path, typer.Argument(help=_CLASS)],
    layout: Annotated[str, typer.Option("--intake", help=_LAYOUTS)] = "auto",
    roster: RosterOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who is found in a folder of submissions and where, without grading anybody."""
    need(Extra.COURSE, "yaml")
    from grader.cli.render_intake import run_intake
    from grader.submissions.intake import Layout

    run_intake(submissions, chosen(Layout, layout, "layout"), roster, as_json=as_json)


def _board_of(task: str) -> Path:
    """The usual file; where that holds another task's scores, one with the task's name beside it."""
    from grader.leaderboard.storage import read

    try:
        there = read(BOARD)
    except SetupError:
        return BOARD
    return BOARD if there is None or there.task.name == task else BOARD.with_name(f"{task}.json")


@app.command()
def doctor(
    task: TaskOption = "digits",
    results: Annotated[Path, typer.Option(help="Where logs and the cache would be kept.")] = Path("results"),
    leaderboard: BoardOption = BOARD,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Try everything that grading relies on, on this machine, and say how to fix what fails."""
    need(Extra.COURSE)
    from grader.cli.render_doctor import run_doctor

    if not run_doctor(task, results, leaderboard, as_json=as_json):
        raise typer.Exit(3)


@app.command()
def calibrate(
    task: TaskOption = "digits",
    data: Annotated[
        Path | None, typer.Option(help="Use images from this folder instead (train/CLASS, test/CLASS).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings per reference.")] = 5,
    students: Annotated[int, typer.Option(min=2, help="The size of the class.")] = 30,
    device: DeviceOption = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Trainings at a time; 0 chooses.")] = 0,
    results: Annotated[Path, typer.Option(help="Where trainings are cached.")] = Path("results"),
    reference: ReferenceOption = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the result here: .png, .svg or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train the references and report how large a difference the task can detect, with how many seeds and hours."""
    need(Extra.COURSE)
    from grader.cli.render_calibrate import run_calibration
    from grader.core.task_file import load
    from grader.experiments import plots
    from grader.experiments.compare import public_task
    from grader.grading.config import RunConfig
    from grader.training.pool import DeviceChoice

    if plot is not None:
        plots.check_name(plot)
    config = RunConfig(
        task=public_task(task, data, seeds), results=results, device=chosen(DeviceChoice, device, "device"),
        jobs=jobs, references=reference,
    )  # fmt: skip
    try:
        run_calibration(config, students, len(load(task).seeds), plot, as_json=as_json)
    except KeyboardInterrupt:
        interrupted()


@app.command()
def remove(
    ids: Annotated[list[str], typer.Argument(help="The submissions whose rows are removed.")],
    leaderboard: BoardOption = BOARD,
) -> None:
    """Remove students' rows from a leaderboard. A run never does that, since it may cover a part of the class."""
    need(Extra.COURSE, "scipy")
    from grader.leaderboard.storage import board_at
    from grader.leaderboard.storage import remove as remove_rows

    print(f"removed from {leaderboard}: {', '.join(remove_rows(leaderboard, ids))}")
    decisions = board_at(leaderboard).decisions
    if held := [identity for identity in ids if decisions.on(identity).marks]:
        print(f"decided about, which holds again if they return: {', '.join(held)} (grader mark ID shows it)")


@app.command()
def mark(
    identity: Annotated[str, typer.Argument(metavar="ID", help="A student's submission, as the leaderboard calls it.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="The student takes it back: no rank, no points.")
    ] = False,
    disqualify: Annotated[
        bool, typer.Option("--disqualify", help="Take it off the ranking: no rank, no points; the others close up.")
    ] = False,
    points: Annotated[float | None, typer.Option(help="Points in place of those that the task's rules give.")] = None,
    note: Annotated[str, typer.Option(help="Say something about it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Undo the newest of these that holds.")] = False,
    reason: Annotated[str, typer.Option(help="Why. Kept in the record.")] = "",
    by: Annotated[str, typer.Option(help="Who decides. Kept in the record.")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="Let web site and feedback quote the note, or else the reason.")
    ] = False,
    leaderboard: BoardOption = BOARD,
) -> None:
    """Decide about a student's row, beside the automatic result. Without a decision: print those that were made."""
    need(Extra.COURSE, "scipy")
    from grader.cli.render_decisions import Draft, run_mark

    draft = Draft(
        withdraw=withdraw,
        disqualify=disqualify,
        points=points,
        note=note,
        undo=undo,
        reason=reason,
        by=by,
        public=public,
    )
    run_mark(leaderboard, identity, draft)


@app.command()
def show(
    leaderboard: BoardOption = BOARD,
    wide: Annotated[
        bool, typer.Option("--wide", help="Show all columns in full, however wide the table gets.")
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Show the class instead: accuracies, verdicts, broken rules, records.")
    ] = False,
) -> None:
    """Print a leaderboard as a table that fits the terminal."""
    need(Extra.COURSE, "scipy")
    from rich.console import Console

    from grader.cli.progress import print_board
    from grader.leaderboard.storage import board_at
    from grader.publish.github import only_text

    board = board_at(leaderboard)
    with only_text():
        if summary:
            from grader.cli.render_summary import print_summary

            print_summary(Console(), board)
        else:
            print_board(Console(), board, wide=wide)


@app.command()
def explain(
    identity: Annotated[str, typer.Argument(metavar="ID", help="A submission, or a reference.")],
    leaderboard: BoardOption = BOARD,
) -> None:
    """Explain why a row stands where it stands: recipe, seeds, score, ranks, contribution, history, versions."""
    need(Extra.COURSE, "scipy")
    from rich.console import Console

    from grader.cli.progress import say
    from grader.core.text import clean
    from grader.leaderboard.explain import explain as paragraphs
    from grader.leaderboard.storage import board_at
    from grader.publish.export import find_row
    from grader.publish.github import only_text

    board, console = board_at(leaderboard), Console()
    with only_text():
        for line in paragraphs(find_row(board, identity), board, str(leaderboard)):
            say(console, clean(line))


@app.command()
def similarity(
    submissions: Annotated[Path, typer.Argument(help=_CLASS)],
    task: TaskOption = "digits",
    former: Annotated[list[Path] | None, typer.Option(help="A former year's submissions; may be repeated.")] = None,
    given: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of code that everybody was given, such as the course's own kit; may be repeated."),
    ] = None,
    sandbox: SandboxOption = "auto",
    results: Annotated[Path, typer.Option(help="Where the cache is kept.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("similarity"),
) -> None:
    """Report similar submissions, by behaviour and by code. For the instructor: nothing of it appears on the board."""
    need(Extra.COURSE)
    from grader.cli.render_similarity import run_similarity
    from grader.core.task_file import load
    from grader.grading.config import RunConfig
    from grader.sandbox.base import SandboxChoice

    config = RunConfig(task=load(task), results=results, sandbox=chosen(SandboxChoice, sandbox, "sandbox"))
    try:
        run_similarity(config, submissions, former or [], given or [], out)
    except KeyboardInterrupt:
        interrupted()


@app.command()
def schema() -> None:
    """Print the JSON Schema of the leaderboard file."""
    import json

    from grader.leaderboard.models import Leaderboard

    print(json.dumps(Leaderboard.model_json_schema(mode="serialization"), indent=2))


@app.command()
def gradescope(
    submission: Annotated[Path, typer.Option(help="What the student handed in.")] = Path("/autograder/submission"),
    out: Annotated[Path, typer.Option(help="The file that Gradescope reads.")] = Path(
        "/autograder/results/results.json"
    ),
    task: TaskOption = "digits",
    sandbox: SandboxOption = "auto",
    device: DeviceOption = "auto",
    results: Annotated[Path, typer.Option(help="Where the cache is kept.")] = Path("/autograder/grader"),
) -> None:
    """Grade one submission inside a Gradescope autograder and write its results.json."""
    need(Extra.COURSE)
    from grader.cli.run import discard, run_gradescope
    from grader.core.task_file import load
    from grader.grading.config import RunConfig
    from grader.sandbox.base import SandboxChoice
    from grader.submissions.loader import handed_in
    from grader.training.pool import DeviceChoice

    discard(out)
    config = RunConfig(
        task=load(task),
        results=results,
        sandbox=chosen(SandboxChoice, sandbox, "sandbox"),
        device=chosen(DeviceChoice, device, "device"),
    )
    try:
        run_gradescope(config, handed_in(submission, "submission"), out)
    except KeyboardInterrupt:
        interrupted()

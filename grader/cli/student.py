"""Commands for students: the assignment, its check, comparisons and studies."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.app import app, chosen, interrupted
from grader.core.errors import SetupError
from grader.core.extras import Extra, need


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    install_from: Annotated[
        str | None,
        typer.Option(
            help="For instructors: what students install: a wheel, https://…whl#sha256=HASH, or git+https://…@COMMIT."
        ),
    ] = None,
) -> None:
    """Write the assignment into a folder: scheduler, configuration, public model, training script, instructions."""
    from grader.student.kit import InstallSource, write_kit

    for path in write_kit(folder, InstallSource.of(install_from) if install_from is not None else None):
        print(f"wrote {path}")
    if install_from is not None:
        print(f"hand out {folder}: its README says how to install grader")
    else:
        print(f"next: fill in {folder / 'submission.json'}, edit {folder / 'scheduler.py'}, then grader check {folder}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder with scheduler.py and config.py.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the schedule into this .png, .svg or .pdf file.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for a GitHub workflow.")] = False,
    classroom: Annotated[
        Path | None, typer.Option(help="Append result=… for GitHub Classroom to this file ($GITHUB_OUTPUT).")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file changes.")] = False,
) -> None:
    """Check a submission in seconds, as grader run would: violations, schedule, advice. Does not sandbox the code."""
    if plot is not None:
        need(Extra.TRAIN, "matplotlib")
    from grader.sandbox.plain import PlainSandbox

    sandbox = PlainSandbox()
    sandbox.warm_up(2)  # torch is imported over there while this process imports its own
    from rich.console import Console

    from grader.cli import render_check
    from grader.experiments import plots
    from grader.publish.github import only_text
    from grader.student.check import check as check_folder

    if plot is not None:
        plots.check_name(plot)
    while True:
        seen = _times(folder)
        with Console(stderr=True).status("checking"):
            checked = check_folder(folder, sandbox)
        if as_json:
            print(render_check.as_json(checked))
        else:
            with only_text():
                render_check.as_text(checked, Console())
        drawn = checked.compiled.recipe or checked.compiled.draft
        if plot is not None and drawn is not None:
            plots.schedule(drawn, plot)
            print(f"schedule drawn in {plot}", file=sys.stderr)
        if classroom is not None:
            try:
                with open(classroom, "a", encoding="utf-8") as stream:
                    stream.write(f"result={render_check.as_classroom(checked)}\n")
            except OSError as error:
                raise SetupError(f"{classroom} cannot be written: {error.strerror}") from None
        if github and (annotations := render_check.as_github(checked, folder)):
            print(annotations)
        if not watch:
            sandbox.close()
            raise typer.Exit(0 if checked.accepted else 1)
        print("watching; ^C ends", flush=True)
        sandbox.warm_up(2)
        while _times(folder) == seen:
            time.sleep(0.3)


@app.command()
def compare(
    folder: Annotated[Path, typer.Argument(help="The folder with scheduler.py and config.py.")] = Path("."),
    with_: Annotated[str, typer.Option("--with", help="References to train as well, such as cosine,constant.")] = "",
    task: Annotated[str, typer.Option(help="cifar10, digits (no download), or a task file.")] = "cifar10",
    data: Annotated[
        Path | None, typer.Option(help="Use images from this folder instead (train/CLASS, test/CLASS).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per schedule.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    plot: Annotated[Path, typer.Option(help="Where the figure is written: .png or .svg.")] = Path("compare.png"),
    results: Annotated[Path, typer.Option(help="Where trainings are cached.")] = Path("results"),
) -> None:
    """Train your scheduler and the default one on the public task, with the same seeds, and draw both."""
    need(Extra.TRAIN)
    from grader.cli.render_compare import run_comparison
    from grader.experiments import plots
    from grader.experiments.compare import public_task
    from grader.grading.config import RunConfig
    from grader.training.pool import DeviceChoice

    plots.check_name(plot)
    others = [name.strip() for name in with_.split(",") if name.strip()]
    kind = chosen(DeviceChoice, device, "device")
    config = RunConfig(task=public_task(task, data, seeds), results=results, device=kind)
    try:
        run_comparison(config, folder, others, plot)
    except KeyboardInterrupt:
        interrupted()


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="step-decay, cosine, polynomial, warmup, all, or a study file.")] = "all",
    task: Annotated[str, typer.Option(help="digits (no download), cifar10, or a task file.")] = "digits",
    data: Annotated[
        Path | None, typer.Option(help="Use images from this folder instead (train/CLASS, test/CLASS).")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per schedule.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs per training; default: the study's.")] = None,
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    jobs: Annotated[int, typer.Option(min=0, help="Trainings at a time; 0 chooses.")] = 0,
    results: Annotated[Path, typer.Option(help="Where trainings are cached.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Where reports are written, in a folder per task and study.")] = Path(
        "study"
    ),
) -> None:
    """Reproduce an exercise on learning-rate schedules: train its variants, and report with figures and intervals."""
    need(Extra.TRAIN)
    from grader.cli.render_study import run_and_report
    from grader.experiments.compare import public_task
    from grader.grading.config import RunConfig
    from grader.training.pool import DeviceChoice

    kind = chosen(DeviceChoice, device, "device")
    config = RunConfig(task=public_task(task, data, seeds), results=results, device=kind, jobs=jobs)

    try:
        run_and_report(config, name, epochs, out, _command(name, task, data, seeds, epochs))
    except KeyboardInterrupt:
        interrupted()


def _command(name: str, task: str, data: Path | None, seeds: int, epochs: int | None) -> str:
    parts = ["grader", "study", name, "--task", task, "--seeds", str(seeds)]
    parts += ["--data", "FOLDER"] if data is not None else []
    parts += ["--epochs", str(epochs)] if epochs is not None else []
    return shlex.join(parts)


def _times(folder: Path) -> dict[Path, int]:
    """When the submission's files last changed."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob("*")) if path.is_file()}

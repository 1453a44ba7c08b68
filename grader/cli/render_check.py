"""What a check looks like: text with a picture of the schedule, JSON, and GitHub annotations."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from grader.core.text import no_command_in_json
from grader.leaderboard.points import Award
from grader.publish.github import PER_STEP, Level, annotation, classroom
from grader.student.check import Checked

_ROWS, _COLUMNS = 9, 64  # of the picture
_PRINTED_LINES, _PRINTED_COLUMNS = 10, 500  # of what the submission printed: --json has all that was kept


def picture(rates: Sequence[float]) -> list[str]:
    """The learning rate over the steps as lines of text; each column is the mean of its steps."""
    top = max(rates)
    if top <= 0:
        return ["the learning rate is zero throughout"]
    columns = min(_COLUMNS, len(rates))
    bounds = [round(i * len(rates) / columns) for i in range(columns + 1)]
    heights = [sum(rate / top for rate in rates[a:b]) / (b - a) * _ROWS for a, b in pairwise(bounds)]
    blocks = " ▁▂▃▄▅▆▇█"
    lines = []
    for row in range(_ROWS - 1, -1, -1):
        cells = "".join(blocks[max(0, min(8, round((height - row) * 8)))] for height in heights)
        label = f"{top:9.3g}" if row == _ROWS - 1 else f"{0:9}" if row == 0 else " " * 9
        lines.append(f"{label} │{cells}")
    lines.append(" " * 10 + "└" + "─" * columns)
    lines.append(" " * 11 + f"0{f'{len(rates)} steps':>{columns - 1}}")
    return lines


def as_text(checked: Checked, console: Console) -> None:
    """The whole report for a terminal."""
    compiled = checked.compiled
    for violation in compiled.violations:
        console.print(f"[red]{escape(str(violation))}[/]", highlight=False, soft_wrap=not console.is_terminal)
        line = _source_line(checked, violation.file, violation.line)
        if line:
            console.print(f"    {escape(line)}", highlight=False, soft_wrap=True, style="dim")
    recipe = compiled.recipe or compiled.draft
    if recipe is not None:
        for text in picture(list(recipe.groups[0].lr.expand())):
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        console.print(
            f"{recipe.optimizer}, batch size {recipe.batch_size}, {recipe.epochs} epochs, {recipe.steps} steps on "
            f"{checked.task.name}",
            highlight=False,
            soft_wrap=not console.is_terminal,
        )
    if checked.predicted_seconds is not None:
        limit = checked.task.time_limit_s
        share = "well within" if checked.predicted_seconds < limit / 2 else "close to"
        share = "over" if checked.predicted_seconds > limit else share
        console.print(
            f"predicted grading time: about {checked.predicted_seconds:.0f} s on one CPU core, {share} the limit of "
            f"{limit:.0f} s (a GPU is faster)",
            highlight=False,
            soft_wrap=not console.is_terminal,
        )
    for advice in checked.advice:
        console.print(f"[yellow]advice[/] {escape(str(advice))}", highlight=False, soft_wrap=not console.is_terminal)
    if compiled.output:
        console.print("printed by the submission (the last lines):", highlight=False)
        for text in compiled.output.splitlines()[-_PRINTED_LINES:]:
            console.print(escape(text[:_PRINTED_COLUMNS]), highlight=False, soft_wrap=True, style="dim")
    if checked.accepted:
        console.print("[green]ok[/]: grader run would accept this submission", highlight=False)
    else:
        console.print(f"[red]{compiled.verdict}[/]: grader run would reject this submission", highlight=False)


def _source_line(checked: Checked, file: str, line: int | None) -> str:
    data = checked.submission.files.get(file)
    if data is None or line is None:
        return ""
    lines = data.decode("utf-8", "replace").splitlines()
    return "".join(c if c.isprintable() else " " for c in lines[line - 1])[:200].strip() if line <= len(lines) else ""


def as_json(checked: Checked) -> str:
    """The report for machines."""
    recipe = checked.compiled.recipe or checked.compiled.draft
    text = json.dumps(
        {
            "verdict": checked.compiled.verdict.value,
            "violations": [v.model_dump(mode="json") for v in checked.compiled.violations],
            "advice": [a.model_dump(mode="json") for a in checked.advice],
            "recipe": recipe.key if recipe else None,
            "steps": recipe.steps if recipe else None,
            "learning_rate": recipe.groups[0].lr.model_dump(mode="json") if recipe else None,
            "predicted_seconds": checked.predicted_seconds,
            "output": checked.compiled.output,
        },
        indent=1,
    )
    return no_command_in_json(text)


def as_github(checked: Checked, folder: Path) -> str:
    """Workflow commands that mark lines: violations as errors, advice as warnings; ten of each at most."""
    errors = [
        annotation(Level.ERROR, f"{v.what}: {v.fix}", title=v.rule.value, file=_place(folder, v.file), line=v.line)
        for v in checked.compiled.violations
    ]
    warnings = [
        annotation(Level.WARNING, f"{a.what}: {a.fix}", title=a.code, file=_place(folder, a.file), line=a.line)
        for a in checked.advice
    ]
    return "\n".join(errors[:PER_STEP] + warnings[:PER_STEP])


def _place(folder: Path, file: str) -> str:
    """The file's path from where the command runs, which in a workflow is the top of the repository."""
    return (folder / file).as_posix()


def as_classroom(checked: Checked) -> str:
    """GitHub Classroom's result: a point for a submission that the grader would accept."""
    why = "; ".join(map(str, checked.compiled.violations)) or checked.compiled.detail or checked.compiled.verdict.value
    accepted = Award(name="grader check", score=1.0 if checked.accepted else 0.0, possible=1.0, why=why)
    return classroom([accepted])

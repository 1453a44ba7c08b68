"""`grader doctor` as the command line shows it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from grader.grading.doctor import Finding, State, examine

_COLOURS = {State.OK: "green", State.NOTE: "yellow", State.FAILED: "bold red"}


def run_doctor(task: str, results: Path, board: Path, *, as_json: bool) -> bool:
    """Print every finding; whether grading can work here."""
    console = Console()
    found: list[Finding] = []
    with Console(stderr=True).status("trying what grading relies on; the sandboxes take half a minute"):
        for finding in examine(task, results, board):
            found.append(finding)
            if not as_json:
                _print(console, finding)
    fine = all(finding.state is not State.FAILED for finding in found)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        console.print(_conclusion(found) if fine else "this machine cannot grade yet", style="bold", highlight=False)
    return fine


def _print(console: Console, finding: Finding) -> None:
    colour = _COLOURS[finding.state]
    line = f"[{colour}]{finding.state:6}[/]  {escape(finding.name)}: {escape(finding.what)}"
    console.print(line, highlight=False, soft_wrap=not console.is_terminal)
    if finding.mend and finding.state is not State.OK:
        console.print(f"        → {escape(finding.mend)}", highlight=False, soft_wrap=not console.is_terminal)


def _conclusion(found: Sequence[Finding]) -> str:
    """That the machine can grade, and with which sandboxes if not all of them were tried."""
    boxes = [finding for finding in found if finding.name.startswith("sandbox ")]
    works = [finding.name.removeprefix("sandbox ") for finding in boxes if finding.state is State.OK]
    return "this machine can grade" if len(works) == len(boxes) else f"this machine can grade, with {', '.join(works)}"

"""`grader doctor` as the command line shows it."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from grader.grading.doctor import State, examine

_COLOURS = {State.OK: "green", State.NOTE: "yellow", State.FAILED: "bold red"}


def run_doctor(task: str, results: Path, board: Path, *, as_json: bool) -> bool:
    """Print every finding; whether grading can work here."""
    console, fine, found = Console(), True, []
    for finding in examine(task, results, board):
        fine &= finding.state is not State.FAILED
        found.append(asdict(finding))
        if not as_json:
            colour = _COLOURS[finding.state]
            line = f"[{colour}]{finding.state:6}[/]  {escape(finding.name)}: {escape(finding.what)}"
            console.print(line, highlight=False, soft_wrap=True)
            if finding.mend and finding.state is not State.OK:
                console.print(f"        → {escape(finding.mend)}", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        console.print("this machine can grade" if fine else "this machine cannot grade yet", style="bold")
    return fine

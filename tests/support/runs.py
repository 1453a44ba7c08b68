"""`grader run` from outside: calls, classes to grade, and what came of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.submissions import CONFIG, ROOT, SCHEDULER

GRADER = [sys.executable, "-m", "grader"]
QUICK = CONFIG.replace("num_epochs = 2", "num_epochs = 1")
MANIFEST = json.dumps({"assignment_name": "a", "contributors": ["Ada"], "sources": ["none: my own work"]})


def command(folder: Path, *arguments: str, where: Path, every: bool = False) -> list[str]:
    """`grader run` with two references, or with every one: most of what is tested here is not about them."""
    few = where / "reference"
    for name in ("constant", "cosine"):
        shutil.copytree(ROOT / "reference" / name, few / name, dirs_exist_ok=True)
    chosen = [] if every else ["--reference", str(few)]
    return [*GRADER, "run", str(folder), "--device", "cpu", *chosen, *arguments]


def run(
    folder: Path, *arguments: str, where: Path, every: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments, where=where, every=every),
        cwd=where,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def board(where: Path) -> dict[str, Any]:
    return json.loads((where / "leaderboard/leaderboard.json").read_text())


def rows(where: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r["kind"], r["id"]): r for r in board(where)["rows"]}


def make_class(folder: Path, count: int) -> Path:
    for n in range(count):
        mine = folder / f"student{n:02}"
        mine.mkdir(parents=True)
        (mine / "scheduler.py").write_text(SCHEDULER.replace("0.99", f"0.9{n}"))
        (mine / "config.py").write_text(QUICK)
        (mine / "submission.json").write_text(MANIFEST)
    return folder


MODEL = """
import os
from pathlib import Path

import torch
from grader.training.models import LeNet

class Net(LeNet):
    def forward(self, images):
        {fault}
        return super().forward(images)
"""


def injected(code: str, folder: Path, *arguments: str, where: Path) -> list[str]:
    """`grader run` in a process that runs `code` first."""
    call = command(folder, *arguments, where=where)
    return [sys.executable, "-c", f"{code}\nimport sys\nfrom grader.cli.main import main\nmain()", *call[3:]]


@contextlib.contextmanager
def started(call: list[str], where: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        call, cwd=where, env={**os.environ, "COLUMNS": "200", **environment}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def descendants(parent: int) -> set[int]:
    """The processes that a process started, and those that they started."""
    found, todo = set(), [parent]
    while todo:
        pid = todo.pop()
        for task_dir in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task_dir.read_text().split()):
                found.add(child)
                todo.append(child)
    return found


def read_to(process: subprocess.Popen[str], start: str) -> str:
    """Read what it prints up to a line that begins like that."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith(start):
            return said
    raise AssertionError(f"no line {start!r} in:\n{said}")


def trainings(where: Path) -> dict[Path, int]:
    return {p.relative_to(where): p.stat().st_mtime_ns for p in where.rglob("results/*/runs/*/*.json")}


def essence(where: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The board without clock times."""
    timed = ("graded", "seconds")

    def untimed(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: untimed(one) for name, one in value.items() if name not in timed}
        return [untimed(one) for one in value] if isinstance(value, list) else value

    return {key: untimed(row) for key, row in rows(where).items()}


def slow_class(folder: Path, count: int) -> Path:
    make_class(folder, count)
    for config in folder.glob("*/config.py"):
        config.write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 6"))
    return folder


def commands(log: str) -> list[tuple[str, dict[str, str], str]]:
    """What GitHub's runner would take from a log (actions/runner, ActionCommand and ActionCommandManager)."""
    found, stopped = [], ""
    for line in re.split(r"\r\n|\n|\r", log):
        new = re.match(r"\s*::([^\s:]+)(?: ([^\n]*?))?::(.*)", line)
        old = re.search(r"##\[([^\]\s]+)([^\]]*)\](.*)", line)
        match = new or old
        if not match:
            continue
        name, properties, text = match[1], match[2] or "", match[3]
        if stopped:
            stopped = "" if name == stopped else stopped
        elif name == "stop-commands":
            stopped = text
        else:
            pairs = (p.split("=", 1) for p in properties.split(",") if "=" in p)
            found.append((name, {k.strip(): v for k, v in pairs}, text))
    return found


def grader(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )

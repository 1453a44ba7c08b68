"""What a terminal of 80 columns shows: no word is broken, and something is there before the work is done."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.runs import make_class
from support.submissions import ROOT


def on_a_terminal(where: Path, *arguments: str, columns: int = 80) -> str:
    """What the command writes to a terminal of that width, without the terminal's codes."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    environment.pop("CI", None)
    call = [sys.executable, "-m", "grader", *arguments]
    with subprocess.Popen(call, cwd=where, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
        process.wait(100)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r\n", "\n")


def unbroken(said: str, text: str, columns: int = 80) -> None:
    """Assert that `text` is there with every word whole, and that its lines fit."""
    words = r"\s+".join(map(re.escape, text.split()))
    found = re.search(words, said)
    assert found, said
    assert all(len(line) <= columns for line in found[0].splitlines())


def test_a_violation_and_an_advice_are_wrapped_between_words(tmp_path: Path) -> None:
    make_class(tmp_path, 1)
    manifest = '{"assignment_name": "a", "contributors": ["Ada"]}'
    (tmp_path / "student00/submission.json").write_text(manifest)
    said = on_a_terminal(tmp_path, "check", "student00")
    unbroken(said, "no sources are given, here or in ATTRIBUTION.md: cite what you used (people, pages, assistants)")
    assert "checking" in said  # before torch was there


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["show"], "there is no leaderboard at leaderboard/leaderboard.json"),
        (["init", "kit", "--install-from", "x"], "git+https://HOST/REPOSITORY@COMMIT with all 40 digits of the commit"),
    ],
)
def test_an_error_is_wrapped_between_words(tmp_path: Path, arguments: list[str], text: str) -> None:
    unbroken(on_a_terminal(tmp_path, *arguments), text)


def test_an_explanation_is_wrapped_between_words(tmp_path: Path) -> None:
    """From a board of an earlier version, which is read as well."""
    board = ROOT / "tests/leaderboard/boards/version-2.json"
    said = on_a_terminal(tmp_path, "explain", "constant", "--leaderboard", str(board))
    assert "constant" in said
    assert len(said.splitlines()) > 5
    assert all(len(line) <= 80 for line in said.splitlines())


def test_where_it_is_no_terminal_a_line_stays_a_line(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "grader", "show"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr.count("\n") == 1


def test_of_what_a_submission_prints_the_last_lines_are_shown(tmp_path: Path) -> None:
    make_class(tmp_path, 1)
    scheduler = tmp_path / "student00/scheduler.py"
    talking = "        print('at', self.last_epoch)\n        return"
    scheduler.write_text(scheduler.read_text().replace("        return", talking))
    call = [sys.executable, "-m", "grader", "check", "student00"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"^at \d+$", done.stdout, re.M)) == 10

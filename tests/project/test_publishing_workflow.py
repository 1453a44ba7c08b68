"""What the workflows run besides grader: the record of the board, against a repository that protects main, and pins."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.submissions import ROOT

HOOK = """#!/bin/sh
while read old new ref; do
    if [ "$ref" = refs/heads/main ]; then echo "main is protected" >&2; exit 1; fi
done
"""
RECORD = str(ROOT / ".github/record.sh")


def git(*arguments: str, where: Path) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *who, *arguments], cwd=where, capture_output=True, text=True, check=True).stdout


def record(*arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RECORD, *arguments], cwd=where, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A shallow clone, as the workflow checks it out, of a repository whose main takes no pushes."""
    (tmp_path / "seed").mkdir()
    git("init", "--quiet", "--initial-branch=main", where=tmp_path / "seed")
    git("commit", "--quiet", "--allow-empty", "-m", "first", where=tmp_path / "seed")
    git("clone", "--quiet", "--bare", "seed", "origin.git", where=tmp_path)
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    git("clone", "--quiet", "--depth", "1", f"file://{tmp_path / 'origin.git'}", "clone", where=tmp_path)
    return tmp_path / "clone"


def bare(clone: Path) -> Path:
    return clone.parent / "origin.git"


def tip(clone: Path) -> str:
    return git("rev-parse", "leaderboard", where=bare(clone)).strip()


def test_the_board_is_recorded_where_main_takes_no_pushes(clone: Path) -> None:
    git("commit", "--quiet", "--allow-empty", "-m", "second", where=clone)
    with pytest.raises(subprocess.CalledProcessError):
        git("push", "origin", "HEAD:main", where=clone)
    before = ""
    for text in ("one", "two", "two"):
        (clone / "board.json").write_text(text)
        done = record("push", "board.json", before, where=clone)
        assert done.returncode == 0, done.stderr
        before = tip(clone)
    log = git("log", "--format=%an %s", "leaderboard", where=bare(clone)).splitlines()
    assert len(log) == 2  # an unchanged board is no commit
    assert all(re.fullmatch(r"github-actions\[bot\] Leaderboard of \d{4}-\d\d-\d\d", line) for line in log)
    assert git("show", "--format=", "--name-only", "leaderboard", where=bare(clone)).split() == ["leaderboard.json"]


def test_the_next_run_starts_from_the_recorded_board(clone: Path) -> None:
    done = record("restore", "leaderboard/leaderboard.json", where=clone)
    assert (done.returncode, done.stdout) == (0, "")
    assert not (clone / "leaderboard").exists()  # nothing has been recorded yet
    (clone / "board.json").write_text("one")
    assert record("push", "board.json", "", where=clone).returncode == 0
    git("clone", "--quiet", "--depth", "1", f"file://{bare(clone)}", "next", where=clone.parent)
    done = record("restore", "leaderboard/leaderboard.json", where=clone.parent / "next")
    assert (done.returncode, done.stdout.strip()) == (0, tip(clone))
    assert (clone.parent / "next/leaderboard/leaderboard.json").read_text() == "one"


def test_a_board_recorded_during_the_run_is_not_written_over(clone: Path) -> None:
    (clone / "board.json").write_text("before")
    assert record("push", "board.json", "", where=clone).returncode == 0
    before = tip(clone)
    git("clone", "--quiet", f"file://{bare(clone)}", "other", where=clone.parent)
    (clone.parent / "other/board.json").write_text("an instructor removed a student")
    assert record("push", "board.json", before, where=clone.parent / "other").returncode == 0
    for known in (before, ""):
        (clone / "board.json").write_text("of a run that began before")
        done = record("push", "board.json", known, where=clone)
        assert done.returncode == 1
        assert "another leaderboard has been recorded during this run" in done.stderr
    assert git("show", "leaderboard:leaderboard.json", where=bare(clone)) == "an instructor removed a student"


def test_a_repository_that_cannot_be_reached_is_an_error_and_no_empty_board(clone: Path) -> None:
    git("remote", "set-url", "origin", str(clone.parent / "nowhere.git"), where=clone)
    for verb in ("restore", "push"):
        (clone / "board.json").write_text("one")
        done = record(verb, "board.json", where=clone)
        assert done.returncode == 1
        assert "cannot be reached" in done.stderr


def test_a_board_that_cannot_be_fetched_is_an_error_and_no_empty_board(clone: Path) -> None:
    """The branch is there, and its objects are not."""
    (clone / "board.json").write_text("a whole term")
    assert record("push", "board.json", "", where=clone).returncode == 0
    git("clone", "--quiet", "--depth", "1", "--branch", "main", f"file://{bare(clone)}", "next", where=clone.parent)
    git("update-ref", "refs/heads/leaderboard", "HEAD", where=bare(clone))
    (bare(clone) / "refs/heads/leaderboard").write_text("1" * 40 + "\n")
    assert record("restore", "board.json", where=clone.parent / "next").returncode != 0
    assert not (clone.parent / "next/board.json").exists()


def test_without_a_choice_of_names_none_are_published() -> None:
    text = (ROOT / ".github/workflows/grade.yml").read_text()
    assert "|| 'full'" not in text
    step = text.split("- name: Say which names may be published")[1].split("      - uses:")[0]
    script = re.sub(r"^ {10}", "", step.split("run: |\n")[1], flags=re.M)
    for names, key, code in (("pseudonyms", "", 1), ("pseudonyms", "secret", 0), ("full", "", 0), ("top-10", "", 0)):
        environment = {**os.environ, "NAMES": names, "GRADER_PSEUDONYM_KEY": key}
        done = subprocess.run(
            ["bash", "-e", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done
        assert ("Pages are public" in done.stdout) is bool(code)


def test_the_token_is_used_without_being_written_down(clone: Path) -> None:
    script = (ROOT / ".github/record.sh").read_text().split("# The newest recorded commit")[0]
    ask = "git config --get-urlmatch http.extraheader https://example.org/course/class"
    environment = {**os.environ, "GITHUB_TOKEN": "t0ken", "GITHUB_SERVER_URL": "https://example.org"}
    said = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"], env=environment, capture_output=True, text=True, check=True
    )
    assert base64.b64decode(said.stdout.split("basic ")[1]) == b"x-access-token:t0ken"
    (clone / "board.json").write_text("one")
    done = subprocess.run(
        [RECORD, "push", "board.json", ""], cwd=clone, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert "extraheader" not in (clone / ".git/config").read_text()


def pins(server: Path, *workflows: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GITHUB_SERVER_URL": f"file://{server}"}
    call = [sys.executable, str(ROOT / ".ci/pins.py"), *map(str, workflows)]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_pins_that_are_old_or_name_another_commit_are_told(tmp_path: Path) -> None:
    """Against a repository of our own, with an annotated tag and a plain one."""
    action = tmp_path / "actions/checkout"
    action.mkdir(parents=True)
    git("init", "--quiet", where=action)
    git("commit", "--quiet", "--allow-empty", "-m", "one", where=action)
    git("tag", "-a", "v1.0.0", "-m", "annotated", where=action)
    commit = git("rev-parse", "HEAD", where=action).strip()
    workflow = tmp_path / "workflow.yml"
    workflow.write_text(f"- uses: actions/checkout@{commit} # v1.0.0\n")
    done = pins(tmp_path, workflow)
    assert (done.returncode, done.stdout) == (0, "actions/checkout v1.0.0: the newest\n")
    git("tag", "v2.0.0", where=action)
    done = pins(tmp_path, workflow)
    assert (done.returncode, done.stdout) == (1, f"actions/checkout v1.0.0: v2.0.0 is there, {commit}\n")
    workflow.write_text(f"- uses: actions/checkout@{'a' * 40} # v2.0.0\n")
    done = pins(tmp_path, workflow)
    assert (done.returncode, done.stdout) == (1, "actions/checkout v2.0.0: the pin is not the commit of v2.0.0\n")
    for loose in (
        "actions/checkout@v4",
        "actions/checkout@main",
        f"actions/checkout@{commit}",
        f'"a/b@{commit}" # v1.0.0',
    ):
        workflow.write_text(f"- uses: {loose}\n")
        done = pins(tmp_path, workflow)
        assert (done.returncode, done.stdout) == (1, f"{loose}: not pinned, as OWNER/NAME@COMMIT # vX.Y.Z\n")


def test_pins_of_a_repository_that_does_not_answer_are_not_called_new(tmp_path: Path) -> None:
    done = pins(tmp_path)  # the workflows of this repository, which that server does not have
    assert done.returncode == 3
    assert "the newest" not in done.stdout

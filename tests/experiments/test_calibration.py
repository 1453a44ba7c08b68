"""`grader calibrate`: what it says of a task is what a run then shows."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.runs import grader
from support.submissions import ROOT


def references(folder: Path, *names: str, lr: str = "0.02") -> Path:
    """Some of the references, with an epoch of training."""
    for name in names:
        shutil.copytree(ROOT / "reference" / name, folder / name)
        config = (folder / name / "config.py").read_text()
        config = re.sub(r"num_epochs = \d+", "num_epochs = 1", config).replace("lr=0.02", f"lr={lr}")
        (folder / name / "config.py").write_text(config)
    return folder


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibration")
    references(folder / "reference", "constant", "cosine", "step", "linear", "exponential")
    return folder


def calibrated(where: Path, *arguments: str) -> dict[str, Any]:
    done = grader("calibrate", "--json", "--device", "cpu", *arguments, cwd=where)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_says_what_more_seeds_can_tell(where: Path) -> None:
    found = calibrated(where, "--reference", "reference", "--seeds", "3", "--students", "20", "--plot", "x/figure.svg")
    assert {row["name"] for row in found["references"]} == {"constant", "cosine", "step", "linear", "exponential"}
    assert [trial["factor"] for trial in found["rates"]] == [0.1, 0.3, 3.0, 10.0]
    halves = [row["pair"] for row in found["resolutions"]]
    assert [row["seeds"] for row in found["resolutions"]] == [3, 5, 10]
    assert halves == sorted(halves, reverse=True)
    assert all(row["ranks"] > row["pair"] > 0 for row in found["resolutions"])
    assert 0 < found["flips"] < 0.1
    assert found["n_test"] == 359
    assert 0 < found["seconds"] <= found["longest"] < 60
    assert "<svg" in (where / "x/figure.svg").read_text()


def test_a_run_shows_what_it_said(where: Path) -> None:
    """The same references as a class: the intervals to the default are as wide as predicted, within a third."""
    found = calibrated(where, "--reference", "reference", "--seeds", "3", "--students", "4")
    shutil.copytree(where / "reference", where / "class", dirs_exist_ok=True)
    done = grader("run", "class", "--reference", "reference", "--sandbox", "sandlock", "--device", "cpu", cwd=where)
    assert done.returncode == 0, done.stderr
    rows = json.loads((where / "leaderboard/leaderboard.json").read_text())["rows"]
    gaps = [r["to_default"] for r in rows if r["kind"] == "reference"]
    shown = sorted((gap["high"] - gap["low"]) / 2 for gap in gaps)[len(gaps) // 2]
    predicted = next(row["to_default"] for row in found["resolutions"] if row["seeds"] == 3)
    assert predicted / 1.3 < shown < predicted * 1.3


def test_a_task_that_tells_nothing_apart_is_told(tmp_path: Path) -> None:
    """At this rate nothing is learned, whatever the schedule."""
    references(tmp_path / "reference", "constant", "cosine", "step", lr="1e-12")
    found = calibrated(tmp_path, "--reference", "reference", "--seeds", "2", "--students", "5")
    assert "Nothing can be told apart" in found["advice"][0]
    doctor = grader("doctor", "--json", cwd=tmp_path)
    (finding,) = [f for f in json.loads(doctor.stdout) if f["name"] == "calibration"]
    assert finding["state"] == "note"
    assert "Nothing can be told apart" in finding["what"]


def test_the_result_is_said_in_words(where: Path) -> None:
    done = grader("calibrate", "--reference", "reference", "--seeds", "3", "--device", "cpu", cwd=where)
    assert done.returncode == 0, done.stderr
    for words in (
        "digits: 3 seeds", "differences that can be detected", "Images that are right with one seed",
        "The default at other rates",
    ):  # fmt: skip
        assert words in done.stdout


def test_mistakes_are_explained(tmp_path: Path) -> None:
    done = grader("calibrate", "--seeds", "1", cwd=tmp_path)
    assert done.returncode == 2
    done = grader("calibrate", "--plot", "figure.bmp", cwd=tmp_path)
    assert done.returncode == 2
    assert "a figure's name ends with" in done.stderr

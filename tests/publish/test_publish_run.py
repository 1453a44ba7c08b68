"""From a hostile submission in a sandbox to what is published: one real run, and one inside Gradescope."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.runs import GRADER, MANIFEST, QUICK, board, commands, make_class, run
from support.submissions import ROOT, SCHEDULER

NAME = "<img src=x onerror=alert(1)> =1+1 ::error::x ##[error]y"
EVIL = json.dumps({"assignment_name": "a", "contributors": ["=cmd|' /C calc'!A0", "</title><script>alert(1)</script>"],
                   "sources": ["<b>::error::sources"]})  # fmt: skip
SHOUTING = """
print("::error::printed")
print("##[error]printed")
print("::stop-commands::printed")
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        raise ValueError("<script>alert(1)</script>\\n::error::raised\\n##[error]raised")
"""


def write(folder: Path, scheduler: str, manifest: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "scheduler.py").write_text(scheduler)
    (folder / "config.py").write_text(QUICK)
    (folder / "submission.json").write_text(manifest)
    return folder


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("hostile")
    write(where / f"class/{NAME}", SHOUTING, EVIL)
    write(where / "class/-good =2", SCHEDULER, EVIL)
    done = run(where / "class", "--sandbox", "sandlock", "--site", "site", where=where, GITHUB_ACTIONS="true")
    (where / "log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    return where


def test_the_job_s_log_holds_no_command_of_theirs(where: Path) -> None:
    log = (where / "log").read_text()
    assert "::error::" in log  # it is shown …
    assert commands(log) == []  # … and does nothing


def test_the_live_site_is_complete_and_inert(where: Path) -> None:
    pages = [where / "site/index.html", *(where / "site/s").iterdir()]
    text = "".join(page.read_text() for page in pages)
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    index = (where / "site/index.html").read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in index
    assert "Grading:" not in index  # the run is over
    assert len(list((where / "site/s").iterdir())) == 4  # two submissions, two references
    assert "'-good =2" in (where / "site/leaderboard.csv").read_text()


def test_a_new_submission_is_a_new_grading_and_the_old_one_stays(where: Path, tmp_path: Path) -> None:
    here = tmp_path / "again"
    shutil.copytree(where, here)
    (here / "class/-good =2/scheduler.py").write_text(SCHEDULER.replace("0.99", "0.98"))
    assert run(here / "class", "--sandbox", "sandlock", where=here).returncode == 0
    before = next(r for r in board(where)["rows"] if r["id"] == "-good =2")
    after = next(r for r in board(here)["rows"] if r["id"] == "-good =2")
    assert (before["number"], after["number"]) == (1, 2)
    assert [(p["accuracy"], p["recipe"], p["regraded"]) for p in after["history"]] == [
        (before["accuracy"], before["recipe"], False)
    ]
    untouched = next(r for r in board(here)["rows"] if r["id"] == NAME)
    assert untouched["history"] == []


def gradescope(folder: Path, where: Path, *more: str) -> tuple[int, dict[str, object] | None, str]:
    import subprocess

    out = where / "results/results.json"
    done = subprocess.run(
        [*GRADER, "gradescope", "--submission", str(folder), "--out", str(out), "--results", str(where / "kept"),
         "--sandbox", "sandlock", "--device", "cpu", *more],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(out.read_text()) if out.exists() else None, done.stderr


def test_gradescope_gets_a_result_for_good_and_bad(tmp_path: Path) -> None:
    good = make_class(tmp_path / "class", 1) / "student00"
    code, result, errors = gradescope(good, tmp_path)
    assert code == 0, errors
    assert result is not None
    assert [t["status"] for t in result["tests"]][:1] == ["passed"]  # type: ignore[attr-defined]
    assert result["leaderboard"][0]["value"] > 0.05  # type: ignore[index]
    code, result, errors = gradescope(write(tmp_path / "bad", SHOUTING, MANIFEST), tmp_path)
    assert code == 0, errors
    assert result is not None
    assert "leaderboard" not in result
    assert "##[error]printed" in str(result["output"])
    (tmp_path / "nothing").mkdir()
    code, result, errors = gradescope(tmp_path / "nothing", tmp_path)
    assert code == 0, errors
    assert result is not None
    assert "scheduler.py: the file is missing" in result["tests"][0]["output"]  # type: ignore[index]


def test_gradescope_gets_nothing_from_a_grader_that_failed(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/results.json").write_text('{"score": 100}')
    code, result, errors = gradescope(make_class(tmp_path / "class", 1) / "student00", tmp_path, "--task", "nope.toml")
    assert (code, result) == (3, None)
    assert "nope.toml: cannot be read" in errors
    assert "Traceback" not in errors


def test_classroom_gets_the_check(tmp_path: Path) -> None:
    import base64
    import subprocess

    folder = make_class(tmp_path / "class", 1) / "student00"
    output = tmp_path / "output"
    done = subprocess.run([*GRADER, "check", str(folder), "--classroom", str(output)], capture_output=True, check=False)
    assert done.returncode == 0
    (folder / "submission.json").unlink()
    done = subprocess.run([*GRADER, "check", str(folder), "--classroom", str(output)], capture_output=True, check=False)
    assert done.returncode == 1
    results = [json.loads(base64.b64decode(line.removeprefix("result="))) for line in output.read_text().splitlines()]
    assert [(r["status"], r["max_score"], r["tests"][0]["score"]) for r in results] == [
        ("pass", 1.0, 1.0), ("fail", 1.0, 0.0),
    ]  # fmt: skip
    assert "submission.json: the file is missing" in results[1]["tests"][0]["message"]


def test_the_documented_verdicts_are_those_of_the_program() -> None:
    from grader.core.verdict import MEANINGS

    text = (ROOT / "docs/instructors.md").read_text()
    for verdict, meaning in MEANINGS.items():
        assert f"| `{verdict}` | {meaning} | {'yes' if verdict.ranked else 'no'} |" in text

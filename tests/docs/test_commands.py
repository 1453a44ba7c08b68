"""The documentation's commands do what it says, on a machine that has the wheel and not this checkout."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from grader.cli.main import app
from grader.training.data import _DIGITS
from support.documents import PAGES, Block, blocks, calls
from support.strangers import build_wheel, environment, outside
from support.submissions import ROOT

pytestmark = pytest.mark.xdist_group("strangers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def course(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("course") / "venv", wheel, "course")


def shell(text: str, where: Path, binaries: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    call = ["bash", "-eu", "-c", text]
    # The engine's image is not what is tried here, and building it would take minutes where it has none.
    known = outside(binaries, DOCKER_HOST="unix:///nowhere/docker.sock", COLUMNS="120")
    done = subprocess.run(call, cwd=where, env=known, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == code, f"{text}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def shown(name: str) -> list[Block]:
    return blocks(ROOT / "docs" / name)


def to_run(page: Sequence[Block]) -> list[str]:
    return [block.text for block in page if block.language == "sh" and block.run]


def test_a_student_s_page(course: Path, tmp_path: Path) -> None:
    """init, edit, check, compare: with the scheduler that the page shows."""
    page = shown("students.md")
    start, check, compare = to_run(page)
    shell(start, tmp_path, course)
    mine = tmp_path / "my-scheduler"
    assert "default scheduler" in shell(check, mine, course, code=1).stdout  # as it is handed out
    (mine / "scheduler.py").write_text(next(block.text for block in page if block.language == "python"))
    manifest = {"assignment_name": "Optimization", "contributors": ["Ada"], "sources": ["none: my own work"]}
    (mine / "submission.json").write_text(json.dumps(manifest))
    assert "ok: grader run would accept this submission" in shell(check, mine, course).stdout
    config = (mine / "config.py").read_text()
    (mine / "config.py").write_text(re.sub(r"num_epochs = \d+", "num_epochs = 1", config))
    assert "yours" in shell(compare, mine, course).stdout
    assert (mine / "compare.png").stat().st_size > 10_000


def test_the_exercises_page(course: Path, tmp_path: Path) -> None:
    (study,) = to_run(shown("exercises.md"))
    shell(study, tmp_path, course)
    assert "</html>" in (tmp_path / "study/digits/cosine/report.html").read_text()


def test_an_instructor_s_pages(wheel: Path, course: Path, tmp_path: Path) -> None:
    """From the kit to the exports, on the page's own task file with a few images."""
    page = shown("instructors.md")
    (tmp_path / "dist").mkdir()
    shutil.copy(wheel, tmp_path / "dist")
    for block in page:
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    with np.load(_DIGITS) as arrays:
        for n, (image, label) in enumerate(zip(arrays["images"][:120], arrays["labels"], strict=False)):
            folder = tmp_path / "images" / ("test" if n % 3 == 0 else "train") / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image * 15).save(folder / f"{n}.png")
    for name in ("bilal-cosine", "chen-triangular", "lena-untouched"):
        shutil.copytree(ROOT / "submissions" / name, tmp_path / "submissions" / name)
    kit, doctor, found, grade, look, decide, similar = to_run(page)
    shell(kit, tmp_path, course)
    assert wheel.name in (tmp_path / "assignment/.github/workflows/check.yml").read_text()
    assert "this machine can grade" in shell(doctor, tmp_path, course).stdout
    assert "3 hand-ins, 0 of them with a problem" in shell(found, tmp_path, course).stdout
    assert "leaderboard: leaderboard/leaderboard.json" in shell(grade, tmp_path, course).stdout
    assert "bilal-cosine" in shell(look, tmp_path, course).stdout
    assert "bilal-cosine" in (tmp_path / "board.csv").read_text()
    decided = shell(decide, tmp_path, course).stdout
    assert "bilal-cosine has no rank now" in decided
    assert re.search(r"1\. .* R\. Roy: disqualified: copied from a classmate", decided)
    assert re.search(r"bilal-cosine has rank \d now", decided)
    assert "grading 1 submission(s)" in decided
    shell(similar, tmp_path, course)
    assert (tmp_path / "similarity/report.html").is_file()

    site, named, exported, told = to_run(shown("publishing.md"))
    shell(site, tmp_path, course)
    pseudonyms = shell(named, tmp_path, course).stdout
    assert "bilal-cosine" in pseudonyms
    assert "bilal" not in (tmp_path / "site-for-everybody/index.html").read_text()
    assert "bilal-cosine" in shell(exported, tmp_path, course).stdout
    assert json.loads((tmp_path / "results.json").read_text())["tests"]
    assert "wrote feedback for 3 student(s)" in shell(told, tmp_path, course).stdout
    assert "Verdict **ok**" in (tmp_path / "feedback/bilal-cosine/feedback.md").read_text()


def test_a_kit_s_check_needs_no_extra_and_what_does_says_so(wheel: Path, tmp_path: Path) -> None:
    binaries = environment(tmp_path / "venv", wheel)
    done = shell("grader init kit && grader check kit", tmp_path, binaries, code=1)  # it lacks its attribution
    assert "grader run would reject" in done.stdout
    for command, extra in (
        ("compare kit", "train"), ("study cosine", "train"), ("run .", "course"), ("show", "course"),
        ("publish", "course"), ("calibrate", "course"), ("doctor", "course"), ("similarity .", "course"),
    ):  # fmt: skip
        done = shell(f"grader {command}", tmp_path, binaries, code=3)
        assert re.search(rf"needs .*: install grader again .* with the extra \[{extra}\]", done.stderr), done.stderr


def commands() -> dict[str, Any]:
    return vars(typer.main.get_command(app))["commands"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    for block in blocks(page):
        for _, name, *arguments in calls(block.text) if block.language == "sh" else ():
            assert name in commands(), name
            options = {option for parameter in commands()[name].params for option in parameter.opts}
            assert {part.split("=")[0] for part in arguments if part.startswith("--")} <= options, (name, arguments)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md"], ids=lambda page: page.name)
def test_every_file_of_the_repository_that_is_named_is_there(page: Path) -> None:
    names = re.findall(r"[` ]((?:benchmarks|tests|grader|docs|reference|\.ci|\.github)/[\w./-]*\w)", page.read_text())
    assert [name for name in names if "VERDICT" not in name and not (ROOT / name).exists()] == []

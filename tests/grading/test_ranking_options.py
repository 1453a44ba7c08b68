"""`grader run` with contribution, adaptive seeds, withheld images, a limit of gradings; and `grader explain`."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from grader.core.image_bits import ImageBits
from grader.core.recipe import Recipe
from grader.core.task import Counting
from grader.grading.baseline import baseline_of
from grader.leaderboard.history import merged
from grader.leaderboard.models import RankingPolicy
from support.gradings import graded
from support.runs import GRADER, MANIFEST, QUICK, board, make_class, rows, run, trainings
from support.submissions import ROOT, SCHEDULER, Compile, make

DIGITS = (ROOT / "grader/core/tasks/digits.toml").read_text()


def task_file(where: Path, more: str) -> str:
    (where / "mine.toml").write_text(DIGITS.replace('"digits"', '"mine"', 1) + "\n" + more)
    return "mine.toml"


def call(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GRADER, *arguments], cwd=where, capture_output=True, text=True, timeout=200, check=False)


def test_the_baseline_of_a_recipe_differs_in_nothing_else(recipe: Recipe) -> None:
    baseline = baseline_of(recipe, [0.05])
    assert baseline.groups[0].lr.values == (0.05,)
    assert baseline.steps == recipe.steps
    assert baseline.key != recipe.key
    assert baseline.model_copy(update={"groups": recipe.groups}).model_dump() == recipe.model_dump()
    assert baseline_of(baseline, [0.05]).key == baseline.key


def test_a_constant_rate_that_the_schedule_never_uses_is_brought_into_its_range(recipe: Recipe) -> None:
    rates = recipe.groups[0].lr.values
    assert baseline_of(recipe, [1e9]).groups[0].lr.values == (max(rates),)
    assert baseline_of(recipe, [0.0]).groups[0].lr.values == (min(rates),)
    assert baseline_of(recipe, []).groups[0].lr.values == (rates[0],)


@pytest.mark.parametrize(("once", "bound"), [("1e-9", 0.25), ("0.9", 4.0)])
def test_a_rate_of_one_step_is_no_yardstick(compiled: Compile, once: str, bound: float) -> None:
    """Else a constant rate at which nothing is learned would make any schedule shine."""
    cunning = SCHEDULER.replace("base_lr * 0.99**self.last_epoch", f"{once} if self.last_epoch == 0 else 0.03")
    result = compiled(make(scheduler=cunning, config=QUICK.replace("lr=0.05", f"lr={once}")))
    assert result.recipe is not None
    (rate,) = baseline_of(result.recipe, result.base_rates).groups[0].lr.values
    rates = list(result.recipe.groups[0].lr.expand())
    assert rate == pytest.approx(bound * sum(rates) / len(rates))


def test_the_optimizer_s_own_rate_is_known_even_where_the_schedule_starts_elsewhere(compiled: Compile) -> None:
    warm = SCHEDULER.replace("0.99**self.last_epoch", "min(1, (self.last_epoch + 1) / 10)")
    result = compiled(make(scheduler=warm))
    assert result.base_rates == (0.05,)
    assert result.recipe is not None
    assert result.recipe.groups[0].lr.values[0] == pytest.approx(0.005)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three submissions, half of the held-out images withheld, two seeds each."""
    where = tmp_path_factory.mktemp("ranking")
    folder = make_class(where / "class", 3)
    (folder / "student02/scheduler.py").write_text(SCHEDULER.replace("base_lr * 0.99**self.last_epoch", "base_lr"))
    task = task_file(where, "[ranking]\npublic_share = 0.5\nmax_seeds = 3\n").replace("[0, 1, 2]", "[0, 1]")
    text = (where / task).read_text().replace("[0, 1, 2]", "[0, 1]")
    (where / task).write_text('attribution = "warn"\n' + text)
    (folder / "student01/submission.json").write_text(MANIFEST.replace("none: my own work", "https://www.example.com"))
    done = run(folder, "--sandbox", "sandlock", "--task", task, where=where)
    assert done.returncode == 0, done.stderr
    return where


def test_who_names_no_source_is_ranked_and_marked_where_the_task_warns(where: Path) -> None:
    found = rows(where)
    assert [found["student", f"student0{n}"]["marks"] for n in range(3)] == [[], ["no attribution"], []]
    assert found["student", "student01"]["rank"] is not None
    says = "no attribution: its contributors or sources are not named"
    log = next(p for p in (where / "results").rglob("log.txt") if "student01" in p.parts).read_text()
    assert f"{says}\nsubmission.json:1: no sources are given" in log
    assert "ok, no attribution" in call(where, "show", "--wide").stdout
    assert f"Marked: {says}." in call(where, "explain", "student01").stdout
    assert "Marked" not in call(where, "explain", "student00").stdout
    assert re.search(r"student01 .* \| ok, no attribution \|", call(where, "export", "markdown").stdout)
    table = list(csv.DictReader(call(where, "export", "csv").stdout.splitlines()))
    assert {row["name"]: row["marks"] for row in table}["student01"] == "no attribution"
    handed = json.loads(call(where, "export", "gradescope", "--id", "student01").stdout)
    assert says in handed["tests"][0]["output"]
    assert call(where, "publish", "--out", "site").returncode == 0
    page = next(p for p in (where / "site/s").iterdir() if p.name.startswith("student01")).read_text()
    assert f"<dd>{says}</dd>" in page
    assert "no attribution" in (where / "site/index.html").read_text()


def test_the_contribution_stands_beside_the_accuracy(where: Path) -> None:
    found = rows(where)
    decay, constant = found["student", "student00"], found["student", "student02"]
    assert decay["contribution"]["mean"] == pytest.approx(decay["accuracy"] - decay["baseline"])
    assert decay["contribution"]["low"] < decay["contribution"]["mean"] < decay["contribution"]["high"]
    assert constant["contribution"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "pairs": 2}
    # The three configurations are the same: at the constant rate they are one training per seed, student02's own.
    assert decay["baseline"] == constant["accuracy"]
    # The references (constant, cosine) share theirs: 3 recipes of the class and 2 of theirs, with two seeds each.
    assert len(list((where / "results/mine/runs").rglob("*.json"))) == 10


def finals(where: Path, name: str) -> list[float]:
    known = json.loads((where / f"results/mine/finals/student/{name}.json").read_text())
    (gradings,) = known["gradings"].values()
    return [final["accuracy"] for final in gradings]


def test_withheld_scores_stay_in_the_results(where: Path, tmp_path: Path) -> None:
    text = (where / "results/mine/submissions/student/student00/log.json").read_text()
    log = json.loads(text)
    assert (
        {r["final"] for r in log["workloads"][0]["runs"]} == {r["right"] for r in log["workloads"][0]["runs"]} == {None}
    )  # students may ask for it
    assert all(0 <= value <= 1 for value in finals(where, "student00"))
    shown = [r["accuracy"] for r in log["workloads"][0]["runs"]]
    assert [s["accuracy"] for s in rows(where)["student", "student00"]["seeds"]] == shown
    for seed in rows(where)["student", "student00"]["seeds"]:
        bits = ImageBits.model_validate(seed["right"])
        assert bits.count == 540  # three views of 180 images: all views of an image are shown, or none
        assert bits.array().mean() == pytest.approx(seed["accuracy"])
    published = (where / "leaderboard/leaderboard.json").read_text()
    assert "final" not in published
    assert call(where, "publish", "--out", str(tmp_path / "site")).returncode == 0
    text = (tmp_path / "site/index.html").read_text()
    assert "Other images, not shown here, decide in the end." in text
    assert "180 held-out images in 3 views" in text  # of 359


def test_the_final_ranking_is_by_the_withheld_images(where: Path, tmp_path: Path) -> None:
    done = call(where, "publish", "--final", "--out", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "site/index.html").read_text()
    assert "Final leaderboard" in text
    assert "179 held-out images in 3 views" in text
    final = sum(finals(where, "student00")) / 2
    assert f"{100 * final:.2f} %" in text
    elsewhere = call(where, "publish", "--final", "--results", "nowhere", "--out", str(tmp_path / "other"))
    assert elsewhere.returncode == 2
    assert "holds no final scores of" in elsewhere.stderr


def test_the_final_ranking_is_by_the_decisions_too(where: Path, tmp_path: Path) -> None:
    here = tmp_path / "decided"
    shutil.copytree(where, here)
    assert call(here, "mark", "student00", "--disqualify", "--reason", "copied", "--by", "Roy").returncode == 0
    for final in ([], ["--final"]):
        lines = csv.DictReader(call(here, "export", "csv", *final).stdout.splitlines())
        found = {line["name"]: (line["rank"], line["marks"]) for line in lines}
        assert found.pop("student00") == ("", "disqualified")
        assert "1" in {rank for rank, _ in found.values()}


def test_a_task_that_withholds_nothing_has_no_final_ranking(tmp_path: Path) -> None:
    make_class(tmp_path / "class", 1)
    assert run(tmp_path / "class", "--sandbox", "sandlock", where=tmp_path).returncode == 0
    done = call(tmp_path, "publish", "--final")
    assert done.returncode == 2
    assert "this task withholds nothing" in done.stderr


def test_adaptive_seeds_are_added_and_never_lost(where: Path, tmp_path: Path) -> None:
    here = tmp_path / "adaptive"
    shutil.copytree(where, here)
    arguments = ("--sandbox", "sandlock", "--task", "mine.toml")
    done = run(here / "class", *arguments, "--seeds", "adaptive", where=here)
    assert done.returncode == 0, done.stderr
    counts = {key: len(row["seeds"]) for key, row in rows(here).items()}
    assert set(counts.values()) <= {2, 3}
    assert max(counts.values()) == 3  # these schedules differ by a hair: more seeds were wanted
    assert counts["reference", "cosine"] == 2
    assert all(row["history"] == [] for row in rows(here).values())  # no grading of its own
    published = call(here, "publish", "--final", "--out", "after")
    assert published.returncode == 0, published.stderr
    before = board(here)["rows"]
    assert run(here / "class", *arguments, where=here).returncode == 0
    strip = ("seconds",)
    assert [{k: v for k, v in r.items() if k not in strip} for r in board(here)["rows"]] == [
        {k: v for k, v in r.items() if k not in strip} for r in before
    ]
    published = call(here, "publish", "--final", "--out", "after")  # the further seeds' withheld scores are still there
    assert published.returncode == 0, published.stderr
    again = next(name for (kind, name), count in counts.items() if kind == "student" and count == 3)
    known = trainings(here)
    done = call(
        here, "regrade", again, "--submissions", "class", "--reference", "reference", "--device", "cpu", *arguments
    )
    assert done.returncode == 0, done.stderr
    assert len(rows(here)["student", again]["seeds"]) == 3
    assert sum(time != known[path] for path, time in trainings(here).items()) == 6  # with those at its constant rate


def test_a_row_is_explained(where: Path) -> None:
    text = call(where, "explain", "student00").stdout
    row = rows(where)["student", "student00"]
    for words in (
        "student00 (Ada)", f"Recipe {row['recipe'][:16]}: SGD, batch size 64, 1 epoch;", "Seeds 0: ", "Rank ",
        "Beats the default scheduler: ", "Contribution of the scheduler: ", "1 grading(s); the latest counts.",
        "To reproduce: grader run", "sandbox sandlock", "by the median of the seeds, ", " by the worst seed, ",
        " by balanced accuracy (each class counts the same)",
    ):  # fmt: skip
        assert words in text
    missing = call(where, "explain", "student0")
    assert missing.returncode == 2
    assert "did you mean student0" in missing.stderr


def test_only_so_many_submissions_count() -> None:
    policy = RankingPolicy(counts=Counting.LATEST, max_gradings=2, mix_device_kinds=True)
    row = graded("a", 0.5, 1)
    for files, accuracy, day in (("b", 0.6, 2), ("b", 0.55, 3), ("c", 0.9, 4)):
        row = merged(row, graded(files, accuracy, day), policy)
    assert (row.accuracy, row.submission) == (0.55, "b")  # its second grading is no further submission
    assert len(row.history) == 3


def test_the_rank_may_be_by_contribution(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 2)
    (folder / "student01/scheduler.py").write_text(SCHEDULER.replace("base_lr * 0.99**self.last_epoch", "base_lr"))
    (folder / "student01/config.py").write_text(QUICK.replace("SGD(model.parameters(), lr=0.05, momentum=0.9)",
                                                              "Adam(model.parameters(), lr=0.002)"))  # fmt: skip
    task = task_file(tmp_path, '[ranking]\nby = "contribution"\n')
    assert run(folder, "--sandbox", "sandlock", "--task", task, where=tmp_path).returncode == 0
    students = [r for r in board(tmp_path)["rows"] if r["kind"] == "student"]
    assert [r["rank"] for r in students] == [1, 2]
    gains = [r["contribution"]["mean"] for r in students]
    assert gains == sorted(gains, reverse=True)
    assert 0.0 in gains

"""Studies: data that is checked, trainings that are kept, sentences that follow the numbers, a report that holds it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from grader.core.errors import UsageError
from grader.core.recipe import Recipe
from grader.core.runs import EpochRecord, SeedRun
from grader.core.statistics import paired_difference, probability_of_equal_means
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.experiments import spec as studies
from grader.experiments.findings import answer, line, reached
from grader.experiments.runner import StudyOutcome, Trial
from grader.experiments.spec import Answer, AnswerKind, Study, Variant
from support.gradings import TRAINER

SMALL = """
title = "A small one <b>of one's own</b>"
about = "Two schedules."

[setup]
epochs = 2

[tuning]
lr = [0.01, 0.05]

[[variant]]
name = "constant"
schedule = "constant"

[[variant]]
name = "half"
schedule = "linear"
rate = 2.0
arguments = '{"total": TOTAL_STEPS, "end_factor": 0.5}'

[[variant]]
name = "wild"
schedule = "constant"
lr = 1e9

[[sweep]]
name = "ends"
schedule = "linear"
arguments = '{"total": TOTAL_STEPS, "end_factor": $end}'

[[sweep.axis]]
name = "end"
label = "end factor"
values = ["0.1", "0.5"]

[[figure]]
name = "curves"
kind = "curves"
title = "All"
variants = ["constant", "half", "wild"]

[[figure]]
name = "start"
kind = "early"
title = "Start"
variants = ["constant", "wild"]

[[figure]]
name = "ends"
kind = "line"
title = "Ends"
sweep = "ends"

[[figure]]
name = "shapes"
kind = "rates"
title = "Shapes"
sweep = "ends"

[[figure]]
name = "tuning"
kind = "tuning"
title = "Tuning"

[[step]]
number = 1
task = "Compare."
see = ["curves", "ends"]
text = "A text with <script>."
answers = [
    { kind = "setup" },
    { kind = "tuning" },
    { kind = "rates", a = "half" },
    { kind = "difference", a = "half", b = "constant" },
    { kind = "speed", a = "half", b = "constant" },
    { kind = "early", a = "wild", b = "constant" },
    { kind = "sensitivity", sweep = "ends" },
    { kind = "axes", sweep = "ends" },
]
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "own.toml").write_text(SMALL)
    done = grade(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def grade(folder: Path, name: str = "own.toml", *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "study", name, "--seeds", "2", *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_the_shipped_studies_cover_every_step_of_the_sheet() -> None:
    steps = {name: [step.number for step in studies.load(name).step] for name in studies.shipped()}
    assert steps == {
        "step-decay": [1, 2, 3, 4, 5, 6],
        "cosine": [1, 2, 3, 4, 5, 6],
        "polynomial": [1, 2, 3, 4, 5, 6],
        "warmup": [1, 2, 3, 4, 5, 6, 7],
    }
    for name in studies.shipped():
        study = studies.load(name)
        assert all(step.answers for step in study.step)
        shown = {figure for step in study.step for figure in step.see}
        assert shown == {figure.name for figure in study.figure}, "a figure that no step points at"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[tuning]", "[tune]"), "tuning: Field required"),
        (("schedule = ", "schedul = "), "Extra inputs"),
        (('name = "constant"', 'name = "steady"'), 'a variant "constant" is needed'),
        (('variants = ["constant", "wild"]', 'variants = ["constant", "tame"]'), "no variant 'tame'"),
        (('see = ["curves", "ends"]', 'see = ["curve"]'), "step 1: there is no figure 'curve'"),
        (('b = "constant"', 'b = "none"'), "answer difference: there is no variant 'none'"),
        (('kind = "line"', 'kind = "heatmap"'), "a line has one axis, a heat map two"),
        (('kind = "rates"\ntitle', 'kind = "pie"\ntitle'), "figure.3.kind"),
        (('name = "half"', 'name = "wild"'), "variant wild stands twice"),
        (("title =", "title"), "not valid TOML"),
        (("$end}", "$and}"), "sweep ends: its arguments name no axis of it: 'and'"),
    ],
)
def test_a_study_that_does_not_hang_together_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in SMALL
    path = tmp_path / "own.toml"
    path.write_text(SMALL.replace(*change))
    with pytest.raises(UsageError, match=re.escape(message)):
        studies.load(str(path))


def test_unknown_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="step-decay, cosine, polynomial, warmup, all"):
        studies.load("cosinus")
    with pytest.raises(UsageError, match="rename it"):
        studies.load(str(tmp_path / "all.toml"))
    with pytest.raises(UsageError, match="cannot be read"):
        studies.load(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('schedule = "linear"\nrate', 'schedule = "liner"\nrate'), "there is no reference 'liner'"),
        (('"end_factor": 0.5}', '"end": 0.5}'), "end"),
        (('"end_factor": 0.5}', '"end_factor": 0.5'), "config.py"),
    ],
)
def test_a_schedule_that_cannot_be_made_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    (tmp_path / "own.toml").write_text(SMALL.replace(*change))
    done = grade(tmp_path, "own.toml", "--epochs", "1")
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_study_leaves_a_report_that_needs_nothing_else(small: Path) -> None:
    folder = small / "study/digits/own"
    page = (folder / "report.html").read_text()
    assert set(re.findall(r'src="([a-z]+:)', page)) == {"data:"}
    assert "<script" not in page
    assert "<b>of one" not in page
    assert "&lt;script&gt;" in page
    for name in ("curves", "start", "ends", "shapes", "tuning"):
        assert f'id="own-{name}"' in page
        root = ET.fromstring((folder / f"figures/{name}.svg").read_text())
        assert root.tag.endswith("svg")
    assert "accuracy (%)" in (folder / "figures/curves.svg").read_text()
    assert page.count("data:image/svg+xml") == 5


def test_the_numbers_beside_the_report_are_those_of_the_trainings(small: Path) -> None:
    folder = small / "study/digits/own"
    results = json.loads((folder / "results.json").read_text())
    curves = list(csv.DictReader((folder / "curves.csv").open()))
    table = {row["name"]: row for row in csv.DictReader((folder / "table.csv").open())}
    assert set(table) == {"constant", "half", "wild", "ends: end 0.1", "ends: end 0.5"}
    for name, row in table.items():
        finals = {c["seed"]: float(c["accuracy"]) for c in curves if c["name"] == name}  # the last epoch stays
        assert float(row["accuracy"]) == pytest.approx(sum(finals.values()) / 2)
    stored = [json.loads(p.read_text()) for p in (small / "results/digits/runs").rglob("*.json")]
    kept = {(r["seed"], tuple(e["accuracy"] for e in r["epochs"])) for r in stored}
    assert all((c["seed"], tuple(e["accuracy"] for e in c["epochs"])) in kept for c in results["curves"])
    rates = {row["name"]: row for row in csv.DictReader((folder / "rates.csv").open())}
    tuned = results["tuned_lr"]
    assert float(table["half"]["lr"]) == 2 * tuned
    assert float(rates["half"]["epoch_2"]) == pytest.approx(2 * tuned * (1 - 0.5 * 45 / 46))
    assert int(table["wild"]["diverged"]) == 2
    assert table["wild"]["train_loss"] == ""


def test_what_is_known_is_not_trained_again(small: Path) -> None:
    runs = small / "results/digits/runs"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.json")}
    report = (small / "study/digits/own/table.csv").read_bytes()
    done = grade(small)
    assert done.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.json")} == before
    assert (small / "study/digits/own/table.csv").read_bytes() == report
    assert "own" in done.stdout
    assert "report:" in done.stdout


def trial(recipe: Recipe, name: str, finals: list[float], losses: list[float | None] | None = None) -> Trial:
    """Two epochs per seed, of which the first reaches half of the final accuracy."""
    runs = []
    for seed, final in enumerate(finals):
        loss = (losses or [1.0] * len(finals))[seed]
        epochs = tuple(
            EpochRecord(epoch=e, train_loss=loss, accuracy=final * e / 2, lr=0.1, parts=(loss,) * 10) for e in (1, 2)
        )
        verdict = Verdict.OK if loss is not None else Verdict.DIVERGED
        runs.append(SeedRun(seed=seed, verdict=verdict, accuracy=final, seconds=1.0, epochs=epochs))
    return Trial(Variant(name=name, schedule="constant"), 0.1, recipe, tuple(runs))


@pytest.fixture
def outcome(recipe: Recipe, task: Task, facts: TaskFacts) -> StudyOutcome:
    study = Study.model_validate(
        {
            "name": "made-up",
            "title": "",
            "about": "",
            "tuning": {"lr": [0.1, 0.2]},
            "variant": [{"name": n, "schedule": "constant"} for n in ("constant", "better", "same", "lost")],
            "sweep": [
                {
                    "name": "s",
                    "schedule": "constant",
                    "arguments": "{}",
                    "axis": [{"name": "x", "label": "x", "values": ["1", "2"]}],
                }
            ],
        },
        strict=False,
    )
    return StudyOutcome(
        study=study,
        task=task,
        facts=facts,
        environment=TRAINER,
        tuned=0.1,
        tuning=(trial(recipe, "a", [0.5, 0.6, 0.7]),),
        variants={
            "constant": trial(recipe, "constant", [0.60, 0.62, 0.64]),
            "better": trial(recipe, "better", [0.70, 0.725, 0.74], [0.5, 0.51, 0.5]),
            "same": trial(recipe, "same", [0.58, 0.65, 0.63]),
            "lost": trial(recipe, "lost", [0.1, 0.1, 0.1], [None, None, None]),
        },
        sweeps={"s": {("1",): trial(recipe, "p", [0.5, 0.6, 0.55]), ("2",): trial(recipe, "q", [0.6, 0.52, 0.57])}},
    )


def said(outcome: StudyOutcome, kind: AnswerKind, a: str = "", b: str = "", sweep: str = "") -> str:
    return answer(Answer(kind=kind, a=a, b=b, sweep=sweep), outcome)


def test_sentences_follow_the_numbers(outcome: StudyOutcome) -> None:
    better = said(outcome, AnswerKind.DIFFERENCE, "better", "constant")
    assert "+10.17 points (95 % interval +9.45 to +10.88)" in better
    assert "“better” is better here" in better
    other_way = said(outcome, AnswerKind.DIFFERENCE, "constant", "better")
    assert "-10.17 points" in other_way
    assert "“better” is better here" in other_way
    assert "No difference found" in said(outcome, AnswerKind.DIFFERENCE, "same", "constant")
    alike = replace(outcome, variants={**outcome.variants, "better": outcome.variants["constant"]})
    assert "no difference claimed" in said(alike, AnswerKind.DIFFERENCE, "better", "constant")
    early = said(outcome, AnswerKind.EARLY, "better", "constant")
    assert "“better” starts with the lower loss" in early
    assert "diverged at once" in said(outcome, AnswerKind.EARLY, "lost", "constant")
    assert "3 of 3 seeds diverged" in said(outcome, AnswerKind.FINAL, "lost")
    assert "No difference found among them" in said(outcome, AnswerKind.SENSITIVITY, sweep="s")
    assert "to 49 %: “better” 2.0, “lost” never (0 of 3 seeds)" in said(outcome, AnswerKind.SPEED, "better", "lost")


def test_restarts_of_a_training_that_ended_early_are_passed_over(outcome: StudyOutcome) -> None:
    lost = outcome.variants["lost"]
    lr = lost.recipe.groups[0].lr.model_copy(update={"values": (0.1, 0.01, 0.1), "counts": (10, 20, 16)})
    group = lost.recipe.groups[0].model_copy(update={"lr": lr})
    recipe = lost.recipe.model_copy(update={"groups": (group,)})
    restarted = replace(lost, recipe=recipe)
    short = tuple(run.model_copy(update={"epochs": run.epochs[:1]}) for run in lost.runs)
    for trial, expected in ((restarted, "in epoch 2 the held-out accuracy changed by +5.00 points (means"),
                            (replace(restarted, runs=short), "seeds that diverged")):  # fmt: skip
        found = replace(outcome, variants={**outcome.variants, "lost": trial})
        assert expected in said(found, AnswerKind.RESTARTS, "lost")


def test_one_seed_claims_nothing(outcome: StudyOutcome) -> None:
    def first(t: Trial) -> Trial:
        return replace(t, runs=t.runs[:1])

    lone = replace(
        outcome,
        variants={k: first(t) for k, t in outcome.variants.items()},
        sweeps={k: {at: first(t) for at, t in s.items()} for k, s in outcome.sweeps.items()},
    )
    assert "One seed cannot tell" in said(lone, AnswerKind.DIFFERENCE, "better", "constant")
    assert "One seed cannot tell" in said(lone, AnswerKind.EARLY, "better", "constant")
    assert "Too few seeds" in said(lone, AnswerKind.SENSITIVITY, sweep="s")


def test_the_table_counts_epochs_and_spread(outcome: StudyOutcome) -> None:
    found = line("better", outcome.variants["better"], outcome)
    assert found.accuracy == pytest.approx(0.7216667)
    assert found.spread == pytest.approx(0.04)
    assert [r.accuracy for r in found.reached] == [0.49, 0.55, 0.62]
    assert all(r.epoch == 2 and r.seeds == 3 for r in found.reached)
    assert reached(outcome.variants["lost"].runs, 0.05).epoch == 1


def test_intervals_are_students(recipe: Recipe) -> None:
    a, b = [0.61, 0.64, 0.66, 0.7], [0.6, 0.66, 0.61, 0.65]
    found = paired_difference(a, b)
    theirs = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert paired_difference([0.5], [0.4]).low is None
    assert not paired_difference([0.5], [0.4]).told_apart
    assert not paired_difference([0.75, 0.5], [0.5, 0.25]).told_apart
    assert probability_of_equal_means([[1.0, 1.0], [1.0, 1.0]]) is None
    assert probability_of_equal_means([[1.0, 1.1], [5.0, 5.1]]) == pytest.approx(
        stats.f_oneway([1.0, 1.1], [5.0, 5.1]).pvalue
    )

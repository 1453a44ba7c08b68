"""What the board's and a submission's page say beyond the table: cut intervals, yardsticks, rules, class, records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.core.kind import Kind
from grader.core.task import RankBy, Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.history import merged
from grader.leaderboard.models import GradedRow, Leaderboard, RankedRow, Standing
from grader.leaderboard.ranking import settled
from grader.publish.drawing import Scale, small_interval
from grader.publish.names import Names, parse
from grader.publish.public import public
from grader.publish.site import Site
from support.boards import board_of, failed, references, scored
from support.runs import grader
from support.several import board, row
from support.several import references as references_of_several


def test_an_interval_that_is_cut_off_ends_in_an_arrow_and_the_default_is_a_line() -> None:
    scale = Scale(0.80, 0.90, 0.82)
    whole = small_interval(0.85, 0.84, 0.86, scale)
    assert 'class="at"' in whole
    assert "off" not in whole
    assert small_interval(0.85, 0.79, 0.86, scale).count('class="off"') == 1
    assert small_interval(0.85, 0.79, 0.91, scale).count('class="off"') == 2
    assert "<circle" not in small_interval(0.70, 0.69, 0.71, scale)
    assert 'class="at"' not in small_interval(0.85, 0.84, 0.86, Scale(0.83, 0.90, 0.82))


def written(made: Leaderboard, folder: Path, names: Names | None = None) -> str:
    Site(folder).write(public(made, names or Names()))
    return (folder / "index.html").read_text()


def page_of(folder: Path, name: str) -> str:
    return next((folder / "s").glob(f"{name}-*.html")).read_text()


def test_the_default_and_the_best_reference_are_shown_and_others_on_demand(
    tmp_path: Path, task: Task, facts: TaskFacts
) -> None:
    text = written(board_of([scored("ada", 0.95), *references()], task, facts), tmp_path)
    rows = re.findall(r'<tr data-verdict="ok" class="([^"]*)">.*?<a href="s/(\w+)', text, re.S)
    assert {name.split("-")[0]: "yardstick" in kind for kind, name in rows} == {
        "constant": True, "cosine": True, "step": False,
    }  # fmt: skip
    assert "all 3 references" in text


def test_a_row_without_a_score_names_the_first_broken_rule(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    text = written(board_of([failed("bob", Verdict.CONTRACT), *references()], task, facts), tmp_path)
    assert re.search(r">contract<small[^>]*>get_lr\(\) returned 0.01</small>", text)
    key = "0123456789abcdef"
    (tmp_path / "key").write_text(key)
    hidden = written(
        board_of([failed("bob", Verdict.CONTRACT, text="my secret"), *references()], task, facts),
        tmp_path / "hidden",
        parse("pseudonyms", tmp_path / "key"),
    )
    assert "my secret" not in hidden
    assert "a rule is broken: get_lr() returns one finite" in hidden


def test_a_submission_s_page_says_where_it_stands_in_the_class(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    class_of = [scored(f"s{n}", 0.90 + n / 1000, n) for n in range(12)]
    text = written(board_of([*class_of, scored("lost", 0.1), *references()], task, facts), tmp_path)
    assert "The accuracies of 12 students, from 90.0% to 91.1%; 1 more lies below." in text
    assert "you are here" in page_of(tmp_path, "s5")
    assert "This submission: 90.5%." in page_of(tmp_path, "s5")
    assert "you are further down" in page_of(tmp_path, "lost")
    assert "you are here" not in page_of(tmp_path, "cosine")


def test_four_students_make_no_histogram(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    few = [scored(f"s{n}", 0.90 + n / 1000, n) for n in range(4)]
    assert "The accuracies of" not in written(board_of([*few, *references()], task, facts), tmp_path)


def test_the_default_s_curve_is_in_every_chart(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    written(board_of([scored("ada", 0.95), *references()], task, facts), tmp_path)
    page = page_of(tmp_path, "ada")
    assert page.count('class="base"') == 3
    assert page.count("the dashed line is the default scheduler") == 3


def graded_twice(task: Task, facts: TaskFacts, before: float, after: float) -> Leaderboard:
    """Ada's first grading, then her second; three others between 0.90 and 0.94."""
    made = board_of([], task, facts)
    first = scored("ada", before, 1, graded="2024-02-01T10:00:00+00:00")
    second = scored("ada", after, 2, graded="2024-02-05T10:00:00+00:00")
    others = [
        scored(name, accuracy, n, graded=f"2024-02-0{2 + n}T11:30:00+00:00")
        for n, (name, accuracy) in enumerate([("bob", 0.90), ("cyd", 0.92), ("dee", 0.94)])
    ]
    rows: list[GradedRow] = [merged(first, second, made.policy), *others, *references()]
    return settled(made.with_rows(RankedRow.placed(r, Standing()) for r in rows))


def test_a_rank_says_what_it_was_before_the_last_grading(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    made = graded_twice(task, facts, before=0.91, after=0.95)
    ada = next(r for r in made.rows if r.id == "ada")
    assert (ada.rank, ada.former_rank) == (1, 3)
    text = written(made, tmp_path)
    assert "grading 2 of 2" in text
    page = page_of(tmp_path, "ada")
    assert "the grading before would be rank 3 today" in page
    assert "2024-02-05 10:00 UTC" in page
    lower = next(r for r in graded_twice(task, facts, before=0.95, after=0.89).rows if r.id == "ada")
    assert (lower.rank, lower.former_rank) == (4, 1)


def test_records_are_the_gradings_that_were_better_than_all_before(
    tmp_path: Path, task: Task, facts: TaskFacts
) -> None:
    text = written(graded_twice(task, facts, before=0.91, after=0.95), tmp_path)
    records = re.findall(r"<li>(2024-[^<]*)</li>", text)
    assert records == [
        "2024-02-01 10:00 UTC: 91.00 %, ada",
        "2024-02-03 11:30 UTC: 92.00 %, cyd",
        "2024-02-04 11:30 UTC: 94.00 %, dee",
        "2024-02-05 10:00 UTC: 95.00 %, ada",
    ]


def test_a_final_board_has_no_records(task: Task, facts: TaskFacts) -> None:
    """Former gradings are of the images that were shown, and the one that counts is of others."""
    assert public(graded_twice(task, facts, before=0.91, after=0.95), Names(), final=True).records == ()


def test_a_seed_without_its_baseline_is_no_reason_to_publish_nothing(
    tmp_path: Path, task: Task, facts: TaskFacts
) -> None:
    ada = scored("ada", 0.95)
    first, *others = ada.seeds
    seeds = (first, *(seed.model_copy(update={"baseline": 0.9}) for seed in others))
    made = board_of([ada.model_copy(update={"seeds": seeds, "baseline": None}), *references()], task, facts)
    made = settled(made)
    assert next(r for r in made.rows if r.id == "ada").contribution is not None
    written(made, tmp_path)
    assert "<dt>Contribution</dt>" in page_of(tmp_path, "ada")


def test_two_gradings_in_one_second_are_in_the_records(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    made = board_of([], task, facts)
    rows = [merged(scored("ada", 0.91, 1), scored("ada", 0.92, 1, submission="other"), made.policy), *references()]
    written(settled(made.with_rows(RankedRow.placed(r, Standing()) for r in rows)), tmp_path)


def test_under_pseudonyms_records_do_not_tell_the_order_within_a_day(
    tmp_path: Path, task: Task, facts: TaskFacts
) -> None:
    """A class is graded in the order of its names."""
    rows = [scored(f"s{n}", 0.90 + n / 100, n, graded=f"2024-02-01T10:00:0{n}+00:00") for n in range(5)]
    (tmp_path / "key").write_text("0123456789abcdef")
    made = public(board_of([*rows, *references()], task, facts), parse("pseudonyms", tmp_path / "key"))
    assert [(r.when, round(r.accuracy, 4)) for r in made.records] == [("2024-02-01", 0.94)]


@pytest.mark.parametrize("by", [RankBy.ACCURACY, RankBy.GAP_CLOSED, RankBy.MEAN_RANK])
def test_every_workload_has_a_column_and_every_row_a_cell_for_it(tmp_path: Path, by: RankBy) -> None:
    students = [row(f"s{n}", {"small": [0.7 + n / 100] * 2, "large": [0.6] * 2}) for n in range(6)]
    made = board([*students, failed("bob", Verdict.CONTRACT), *references_of_several()], by)
    text = written(made, tmp_path)
    heads = text.split("<tbody>")[0].count("<th scope=")
    assert heads == 8 + 2 + by.relative + 1  # one more is the table's own
    body = text.split("<tbody>")[1].split("</tbody>")[0]
    for line in body.split("</tr>")[:-1]:
        assert line.count("<td") + line.count("<th") == heads
    assert Kind.STUDENT in {r.kind for r in made.rows}


@pytest.fixture
def a_class(task: Task, facts: TaskFacts) -> Leaderboard:
    """Seven students; ada passed both of the better references on the second day, bo the default on the first."""
    rows = [
        scored("ada", 0.95, graded="2026-03-02T10:00:00+00:00"),
        scored("bo", 0.905, 1, graded="2026-03-01T10:00:00+00:00"),
        scored("cy", 0.92, 2, graded="2026-03-03T10:00:00+00:00"),
        scored("di", 0.89, 3, graded="2026-03-03T11:00:00+00:00"),
        scored("eve", 0.88, 4, graded="2026-03-03T12:00:00+00:00"),
        failed("fay", Verdict.CONTRACT),
        failed("gil", Verdict.CRASH),
    ]
    return settled(board_of([*rows, *references()], task, facts))


def test_the_class_at_a_glance(tmp_path: Path, a_class: Leaderboard) -> None:
    text = written(a_class, tmp_path / "full")
    for words in (
        "<li>ok: 5 of 7 students</li>", "<li>contract: 1 of 7 students</li>", "<li>crash: 1 of 7 students</li>",
        "<li>get_lr() returns one finite, non-negative rate per parameter group: broken by 2</li>",
        "<li>constant (90.00 %): bo, 2026-03-01 10:00 UTC, 90.50 %</li>",
        "<li>step (91.00 %): ada, 2026-03-02 10:00 UTC, 95.00 %</li>",
        "<li>cosine (93.00 %): ada, 2026-03-02 10:00 UTC, 95.00 %</li>",
        "<li>2024-02-10: 2</li>", "<li>2026-03-03: 3</li>", "The dotted lines are the references",
    ):  # fmt: skip
        assert words in text, words
    assert text.count('class="best"') == 3
    (tmp_path / "key").write_text("0123456789abcdef")
    hidden = written(a_class, tmp_path / "hidden", parse("pseudonyms", tmp_path / "key"))
    assert re.search(r"<li>step \(91.00 %\): \w+-\w+-\w+, 2026-03-02, 95.00 %</li>", hidden)
    assert "ok: 5 of 7 students" in hidden
    assert not re.search(r"\bada\b", hidden)


def test_few_students_are_not_summarised(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    text = written(board_of([scored("ada", 0.95), failed("bo", Verdict.CRASH), *references()], task, facts), tmp_path)
    assert "Commonest broken rules" not in text


def test_the_terminal_has_the_summary_too(tmp_path: Path, a_class: Leaderboard) -> None:
    (tmp_path / "board.json").write_text(a_class.model_dump_json())
    done = grader("show", "--summary", "--leaderboard", "board.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "7 student(s) on lenet-digits: 5 ok, 1 contract, 1 crash" in done.stdout
    counts = [int(line.split()[3]) for line in done.stdout.splitlines() if re.match(r" +\d\d\.\d\d to ", line)]
    assert sum(counts) == 5
    assert re.search(r"█   ← constant$|  ← constant$", done.stdout, re.M)
    assert "     2  learning_rate: get_lr() returns" in done.stdout
    assert "  cosine (93.00 %): ada, 2026-03-02 10:00 UTC, 95.00 %" in done.stdout
    assert "  2026-03-03     3" in done.stdout

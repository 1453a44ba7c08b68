"""The leaderboard in the terminal: it fits the width, and says as much as there is room for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from grader.cli.progress import board_table, print_board
from grader.core.task import RankBy, Task, TaskFacts
from grader.core.verdict import Verdict
from grader.leaderboard.models import Leaderboard
from grader.leaderboard.ranking import settled
from support.boards import board_of, failed, references, scored
from support.several import board, row
from support.several import references as references_of_several


def several() -> Leaderboard:
    students = [row(f"student{n:02}", {"small": [0.7 + n / 100] * 2, "large": [0.6] * 2}) for n in range(12)]
    return board([*students, failed("bob", Verdict.CONTRACT), *references_of_several()], RankBy.GAP_CLOSED)


def printed(made: Leaderboard, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(board_table(made, width))
    return text.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 130, 200])
@pytest.mark.parametrize("kind", ["one", "several"])
def test_the_table_fits_and_breaks_no_word(kind: str, width: int, task: Task, facts: TaskFacts) -> None:
    rows = [scored(f"student{n:02}", 0.9 + n / 1000, n) for n in range(12)]
    made = (
        several()
        if kind == "several"
        else board_of([*rows, failed("bob", Verdict.CONTRACT), *references()], task, facts)
    )
    lines = printed(made, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for row_of in made.rows:
        assert row_of.id in text
        if row_of.accuracy is not None and (kind, width) != ("several", 60):  # there the score alone
            assert f"{100 * row_of.accuracy:.2f}" in text


def test_more_room_shows_more() -> None:
    made = several()
    narrow = "\n".join(printed(made, 80))
    assert "small" not in narrow
    assert "grader show --wide has them" in narrow
    middle = "\n".join(printed(made, 130))
    assert "small" in middle
    assert "contribution" not in middle
    whole = "\n".join(printed(made, 200))
    assert "--wide" not in whole
    assert "gap closed" in whole
    assert "contribution" in whole
    assert "contract: learning rate" in whole


def test_ranges_of_ranks_are_shown_where_they_fit(task: Task, facts: TaskFacts) -> None:
    """A rank without one would read as certain."""
    rng = np.random.default_rng(1)
    rows = []
    for n in range(12):
        one = scored(f"student{n:02}", 0.9, n)
        seeds = [s.model_copy(update={"accuracy": float(rng.normal(0.9, 0.01))}) for s in one.seeds]
        rows.append(one.model_copy(update={"seeds": tuple(seeds)}))
    made = settled(board_of([*rows, *references()], task, facts))
    assert {r.rank_interval for r in made.rows if r.rank} != {None}
    assert "1 (1–" in "\n".join(printed(made, 80))


def test_wide_shows_everything_whatever_the_terminal_is(task: Task, facts: TaskFacts) -> None:
    team = tuple(f"A very long name of contributor {n}" for n in range(6))
    made = board_of([scored("ada", 0.9, team=team), *references()], task, facts)
    out = io.StringIO()
    print_board(Console(file=out, width=60), made, wide=True)
    assert ", ".join(team) in out.getvalue()


def test_a_rule_that_cannot_be_applied_is_said() -> None:
    out = io.StringIO()
    students = [row(f"student{n:02}", {"small": [0.7] * 2, "large": [0.6] * 2}) for n in range(2)]
    made = board([*students, failed("bob", Verdict.CONTRACT)], RankBy.GAP_CLOSED)
    print_board(Console(file=out, width=200), made)
    assert "The rule gap-closed cannot be applied" in out.getvalue()

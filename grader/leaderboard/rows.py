"""The rows of a board while a run changes them: each as its text, a sixth of the size of the row itself."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from grader.leaderboard import history
from grader.leaderboard.models import GradedRow, RankedRow, RankingPolicy, RowKey, Standing
from grader.leaderboard.ranking import Place, place_of, ranks


class StoredRow(NamedTuple):
    """A row's text and its place on the board."""

    place: Place
    key: RowKey
    text: bytes  # JSON

    @property
    def row(self) -> GradedRow:
        """The row."""
        return GradedRow.model_validate_json(self.text)

    def ranked(self, rank: int | None) -> RankedRow:
        """The row with its rank."""
        return RankedRow.placed(self.row, Standing(rank=rank))

    def line(self, rank: int | None) -> bytes:
        """The JSON of the row with its rank, which comes first."""
        return b'{"rank":%s,' % json.dumps(rank).encode() + self.text[1:]


class RowTable:
    """Rows by kind and id, under a policy."""

    def __init__(self, policy: RankingPolicy) -> None:
        self._policy = policy
        self._rows: dict[RowKey, StoredRow] = {}

    def _keep(self, row: GradedRow) -> None:
        key = (row.kind, row.id)
        self._rows[key] = StoredRow(place_of(row, self._policy), key, row.model_dump_json().encode())

    def take(self, rows: Iterable[GradedRow]) -> None:
        """Rows of a board, whose policy may have been another."""
        for row in rows:
            self._keep(history.recounted(row, self._policy))

    def add(self, new: GradedRow) -> None:
        """One more grading of a submission."""
        there = self._rows.get((new.kind, new.id))
        self._keep(history.merged(there.row if there else None, new, self._policy))

    def in_order(self) -> list[tuple[int | None, StoredRow]]:
        """Ranks and rows in the order of the board."""
        order = sorted(self._rows.values())
        return list(zip(ranks(row.place for row in order), order, strict=True))

    def ranked(self) -> tuple[RankedRow, ...]:
        """The rows themselves, likewise."""
        return tuple(row.ranked(rank) for rank, row in self.in_order())

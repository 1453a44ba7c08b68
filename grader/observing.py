"""Who is told what happens during a run: the display, the live site."""

from collections.abc import Sequence
from typing import Protocol

from grader.board import Row
from grader.entry import Entry
from grader.result import Compiled, EpochRecord, SeedRun


class Observer(Protocol):
    """Told what happens, from several threads."""

    def compiled(self, entry: Entry, compiled: Compiled, stored: bool) -> None:
        """A submission left the sandbox."""

    def epoch(self, entry: Entry, seed: int, record: EpochRecord, epochs: int) -> None:
        """A training finished an epoch."""

    def trained(self, entry: Entry, run: SeedRun, stored: bool) -> None:
        """A training ended."""

    def graded(self, entry: Entry, row: Row) -> None:
        """A submission was graded, and is on the board."""

    def remark(self, text: str) -> None:
        """Something the user should know."""


class Observers:
    """Tells several observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def compiled(self, entry: Entry, compiled: Compiled, stored: bool) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.compiled(entry, compiled, stored)

    def epoch(self, entry: Entry, seed: int, record: EpochRecord, epochs: int) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.epoch(entry, seed, record, epochs)

    def trained(self, entry: Entry, run: SeedRun, stored: bool) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.trained(entry, run, stored)

    def graded(self, entry: Entry, row: Row) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.graded(entry, row)

    def remark(self, text: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.remark(text)


class Quiet(Observers):
    """Tells remarks and epochs only: for more trainings of what has been shown already."""

    def compiled(self, entry: Entry, compiled: Compiled, stored: bool) -> None:
        """Nothing to tell."""

    def trained(self, entry: Entry, run: SeedRun, stored: bool) -> None:
        """Nothing to tell."""

    def graded(self, entry: Entry, row: Row) -> None:
        """Nothing to tell."""

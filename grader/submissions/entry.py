"""A submission on its way to the board."""

from dataclasses import dataclass

from grader.core.kind import Kind
from grader.submissions.loader import Submission


@dataclass(frozen=True)
class Entry:
    """One submission and whose it is."""

    submission: Submission
    kind: Kind

    @property
    def label(self) -> str:
        """For people: the id, with the kind where it is not a student's."""
        return self.kind.named(self.submission.id)

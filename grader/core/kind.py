"""The kinds of rows on a leaderboard."""

from enum import StrEnum


class Kind(StrEnum):
    """Who a row belongs to."""

    STUDENT = "student"
    REFERENCE = "reference"
    DEFAULT = "default"  # the scheduler that the assignment starts from

    def named(self, identity: str) -> str:
        """`identity` for people, with the kind where it is not a student's. No student's name reads like another's."""
        if self is not Kind.STUDENT:
            return f"{identity} ({self})"
        return repr(identity) if any(identity.endswith(f"({other})") for other in Kind) else identity

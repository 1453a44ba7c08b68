"""Whose a submission is."""

from enum import StrEnum


class Kind(StrEnum):
    """Whose row it is."""

    STUDENT = "student"
    REFERENCE = "reference"
    DEFAULT = "default"  # the scheduler that the assignment starts from

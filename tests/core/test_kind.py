"""No student's name reads like another kind's row."""

from __future__ import annotations

from grader.core.kind import Kind


def test_a_folder_called_like_a_reference_is_told_from_it() -> None:
    assert Kind.REFERENCE.named("cosine") == "cosine (reference)"
    assert Kind.STUDENT.named("cosine") == "cosine"
    assert Kind.STUDENT.named("cosine (reference)") == "'cosine (reference)'"
    assert Kind.STUDENT.named("mine (default)") == "'mine (default)'"

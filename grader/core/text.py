"""Untrusted text, made safe to print; and names that were nearly right."""

from collections.abc import Iterable
from difflib import get_close_matches


def no_command(text: str) -> str:
    """`text` without the mark that GitHub's runner takes for a command anywhere in a line."""
    return text.replace("##[", "## [")


def no_command_in_json(text: str) -> str:
    """The same for JSON, whose value stays what it is."""
    return text.replace("##[", "#\\u0023[")


def clean(text: str) -> str:
    """`text` with every unprintable character (control, bidirectional, line break) replaced by `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of `names` to suggest instead of `name`: those like it, or else the first in order."""
    known = sorted(names)
    return get_close_matches(name, known, 3, 0.5) or known[:3]

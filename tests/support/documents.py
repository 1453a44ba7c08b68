"""The commands that the documentation shows."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from support.submissions import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
_FENCE = re.compile(r"^(?P<before>[^\n]*)\n```(?P<language>\w+)(?P<options>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str  # the name of the file that it is
    text: str
    run: bool  # False: the line before it says why it is not run


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order."""
    found = []
    for match in _FENCE.finditer(page.read_text()):
        title = re.search(r'title="([^"]+)"', match["options"])
        skipped = re.search(r"<!-- not run: .+ -->\s*$", match["before"].rsplit("\n", 1)[-1])
        found.append(Block(match["language"], title[1] if title else "", match["text"], not skipped))
    return found


def calls(text: str) -> list[list[str]]:
    """The calls of grader in a block of shell, as a shell takes them apart."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("grader ")]

"""Who is named on a public board: everybody, nobody, or the first ranks.

A pseudonym is made of HMAC-SHA256 over the submission's id, with a key that the course keeps: the same
id has the same pseudonym as long as the key stays, and without the key nobody can tell whose it is,
however short the list of possible ids (RFC 2104; a plain hash could be tried out).
"""

import hashlib
import hmac
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.kind import Kind
from grader.core.recipe import Frozen
from grader.core.text import clean
from grader.leaderboard.models import Leaderboard, RankedRow

KEY_VARIABLE = "GRADER_PSEUDONYM_KEY"
MIN_KEY = 16  # bytes

_WORDS = Path(__file__).with_name("words.txt")


class NameMode(StrEnum):
    """Which students appear, and under what name."""

    FULL = "full"
    PSEUDONYMS = "pseudonyms"
    TOP = "top"  # the first few by name; the others are left out


class Names(Frozen):
    """A choice of names."""

    mode: NameMode = NameMode.FULL
    top: int = 0  # for `top`: how many ranks
    key: bytes = b""  # for `pseudonyms`


class Shown(Frozen):
    """How a row appears on a public board."""

    name: str
    team: str
    slug: str  # its page's file name


def parse(text: str, key_file: Path | None) -> Names:
    """The choice from the command line: full, pseudonyms, or top-N. Raises UsageError."""
    if text == NameMode.FULL:
        return Names()
    if text == NameMode.PSEUDONYMS:
        return Names(mode=NameMode.PSEUDONYMS, key=_key(key_file))
    if found := re.fullmatch(r"top-([1-9]\d{0,5})", text):
        return Names(mode=NameMode.TOP, top=int(found[1]))
    raise UsageError(f"--names {clean(text)}: use full, pseudonyms, or top-N, such as top-10")


def _key(path: Path | None) -> bytes:
    make = "make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
    if path is None:
        text = os.environ.get(KEY_VARIABLE, "")
        where = KEY_VARIABLE
        if not text:
            raise UsageError(f"pseudonyms need a secret: --key-file FILE or the variable {KEY_VARIABLE}; {make}")
        data = os.fsencode(text)
    else:
        where = str(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}; {make}") from None
    data = data.strip()
    if len(data) < MIN_KEY:
        raise UsageError(f"{where}: a secret of {len(data)} bytes can be guessed, {MIN_KEY} are needed; {make}")
    return data


def shown(board: Leaderboard, names: Names) -> dict[tuple[Kind, str], Shown]:
    """How every row appears; rows that may not appear are missing."""
    hidden = pseudonyms((r.id for r in board.rows if r.kind is Kind.STUDENT), names)
    rows = (row for row in board.rows if appears(row.kind, row.rank, names))
    return {(row.kind, row.id): shown_as(row, hidden) for row in rows}


def appears(kind: Kind, rank: int | None, names: Names) -> bool:
    """Whether a row of that kind and rank may be seen."""
    return kind is not Kind.STUDENT or names.mode is not NameMode.TOP or (rank or names.top + 1) <= names.top


def shown_as(row: RankedRow, hidden: Mapping[str, str]) -> Shown:
    """How a row that may be seen appears; `hidden` are the pseudonyms of all students, if any."""
    if row.kind is Kind.STUDENT and row.id in hidden:
        name = hidden[row.id]
        return Shown(name=name, team="", slug=name)
    team = clean(", ".join(row.team)) if row.kind is Kind.STUDENT else ""
    return Shown(name=clean(row.id), team=team, slug=_slug(row))


def _slug(row: RankedRow) -> str:
    """A file name that is safe everywhere and belongs to this row alone."""
    plain = unicodedata.normalize("NFKD", row.id).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]
    digest = hashlib.sha256(f"{row.kind}\0{row.id}".encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{plain}-{digest}" if plain else digest


def pseudonyms(ids: Iterable[str], names: Names) -> dict[str, str]:
    """Those of all students, who must be given together; none where names are shown."""
    if names.mode is not NameMode.PSEUDONYMS:
        return {}
    digests = {i: hmac.digest(names.key, i.encode("utf-8", "surrogatepass"), "sha256") for i in ids}
    found = {identity: pseudonym(digest) for identity, digest in digests.items()}
    common = {name for name, count in Counter(found.values()).items() if count > 1}
    return {i: pseudonym(digests[i], 16) if name in common else name for i, name in found.items()}


@lru_cache
def _words() -> tuple[list[str], list[str]]:
    first, second = _WORDS.read_text(encoding="utf-8").splitlines()
    return first.split(), second.split()


def pseudonym(digest: bytes, length: int = 4) -> str:
    """Two words and `length` bytes in hexadecimal, such as "amber-otter-3f9a2c07"."""
    first, second = _words()
    return f"{first[digest[0] % len(first)]}-{second[digest[1] % len(second)]}-{digest[2 : 2 + length].hex()}"

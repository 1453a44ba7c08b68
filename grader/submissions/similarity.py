"""Pairs of submissions that may be copies, by behaviour and by code. A hint for people, not a verdict.

Two tests, for two ways of copying:
- behaviour: near-identical schedules (each divided by its highest rate, over the same length) that match no standard
  formula. It finds code that was rewritten.
- code: fingerprints of the token streams, in which names are ignored. Code of the kit and the references, and code
  that is common in the class, is left out. It finds renamed and reordered code. Code that takes too long to read is
  compared by behaviour alone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import combinations
from typing import Any

from grader.core.curves import distance, resampled, shape
from grader.core.recipe import Frozen, Recipe
from grader.submissions.fingerprints import Fingerprints
from grader.submissions.known_schedules import name_of
from grader.submissions.torch_schedules import played_by

SAME_BEHAVIOUR = 0.002  # mean distance of two shapes, of 1: rounding and a step more or less, no more
SAME_CODE = 0.4  # share of what is a submission's own
MIN_OVERLAP = 60  # characters of the token stream: about three lines
_COMMON = 0.3  # share of the class from which on a fingerprint is nobody's own
_COMMON_AT_LEAST = 4


class Origin(StrEnum):
    """Where a submission is from."""

    CLASS = "class"
    FORMER = "former"
    REFERENCE = "reference"


class Candidate(Frozen):
    """One submission to be compared."""

    id: str
    origin: Origin
    code: str  # scheduler.py
    sources: tuple[str, ...]  # what it cites
    recipe: Recipe | None  # None if it could not be compiled
    folder: str = ""  # of former years
    config: str = ""  # config.py
    base_rate: float | None = None  # that the optimizer was made with; None if it is not known


class Reason(StrEnum):
    """Why a pair is reported."""

    BEHAVIOUR = "behaves alike"
    CODE = "is written alike"


class Pair(Frozen):
    """Two submissions that somebody should look at."""

    a: Candidate
    b: Candidate
    reasons: tuple[Reason, ...]
    distance: float | None  # of their learning rates; None if one has none
    code: float  # share of the shorter one's own code that both have
    marked: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]  # what both have, as places in either code


class Known(Frozen):
    """What is known of one submission's schedule."""

    id: str
    formula: str | None  # one that everybody is taught
    reference: str | None  # the reference that behaves the same
    torch: str | None  # PyTorch's scheduler that has the very same bits, where the code holds no formula of its own
    sources: tuple[str, ...]


class Findings(Frozen):
    """The report."""

    pairs: tuple[Pair, ...]
    known: tuple[Known, ...]
    equal: tuple[tuple[str, ...], ...]  # ids of the class with equal recipes
    unread: tuple[str, ...]  # ids of those whose code takes too long to read: only their behaviour is compared


def compare(candidates: Sequence[Candidate], kit: Iterable[str]) -> Findings:
    """Compare the class with itself and with former years. `kit` is code that everybody was given."""
    mine = [c for c in candidates if c.origin is Origin.CLASS]
    references = [c for c in candidates if c.origin is Origin.REFERENCE]
    compared = [c for c in candidates if c.origin is not Origin.REFERENCE]
    shapes = {id(c): shape(resampled(_rates(c.recipe))) for c in candidates if c.recipe is not None}
    formulas = {id(c): name_of(_rates(c.recipe)) for c in compared if c.recipe is not None}
    prints = _fingerprints(compared, [*kit, *(r.code for r in references)])
    pairs = []
    for a, b in combinations(compared, 2):
        if Origin.CLASS not in (a.origin, b.origin):
            continue
        gap = distance(shapes[id(a)], shapes[id(b)]) if id(a) in shapes and id(b) in shapes else None
        taught = formulas.get(id(a)) is not None and formulas.get(id(b)) is not None
        overlap, share, marked = _overlap(prints[id(a)], prints[id(b)])
        reasons = []
        if gap is not None and gap < SAME_BEHAVIOUR and not taught:
            reasons.append(Reason.BEHAVIOUR)
        if share >= SAME_CODE and overlap >= MIN_OVERLAP:
            reasons.append(Reason.CODE)
        if reasons:
            pairs.append(Pair(a=a, b=b, reasons=tuple(reasons), distance=gap, code=share, marked=marked))
    pairs.sort(key=lambda p: (-len(p.reasons), -p.code, p.a.id, p.b.id))
    known = tuple(
        Known(
            id=c.id,
            formula=formulas.get(id(c)),
            reference=next(
                (r.id for r in references if _alike(shapes.get(id(c)), shapes.get(id(r)))),
                None,
            ),
            torch=_torch(c),
            sources=c.sources,
        )
        for c in mine
    )
    unread = tuple(c.id for c in compared if prints[id(c)] is None)
    return Findings(pairs=tuple(pairs), known=known, equal=_equal(mine), unread=unread)


def _torch(candidate: Candidate) -> str | None:
    if candidate.recipe is None or candidate.base_rate is None:
        return None
    return played_by(_rates(candidate.recipe), candidate.base_rate, candidate.code, candidate.config)


def _alike(a: tuple[float, ...] | None, b: tuple[float, ...] | None) -> bool:
    return a is not None and b is not None and distance(a, b) < SAME_BEHAVIOUR


def _rates(recipe: Recipe) -> list[float]:
    return list(recipe.groups[0].lr.expand())


def _equal(mine: Sequence[Candidate]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for candidate in mine:
        if candidate.recipe is not None:
            groups.setdefault(candidate.recipe.key, []).append(candidate.id)
    return tuple(tuple(ids) for ids in groups.values() if len(ids) > 1)


def _fingerprints(candidates: Sequence[Candidate], given: Iterable[str]) -> dict[int, Any]:
    """Every candidate's fingerprints without those that say nothing about it; None if the code was not read."""
    import numpy as np

    with Fingerprints() as fingerprints:
        boilerplate = {h for code in given for h in _hashes(fingerprints.of(code))}
        raw = {id(c): fingerprints.of(c.code) for c in candidates}
        counts = Counter(h for found in raw.values() for h in _hashes(found))
        bound = max(_COMMON_AT_LEAST, _COMMON * len(candidates))
        boilerplate |= {h for h, n in counts.items() if n > bound}
        common = np.array(sorted(boilerplate))
        return {id(c): fingerprints.of(c.code, common) if len(_hashes(raw[id(c)])) else raw[id(c)] for c in candidates}


def _hashes(fingerprint: Any) -> Any:
    return () if fingerprint is None else fingerprint.hashes


def _overlap(a: Any, b: Any) -> tuple[int, float, tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]]:
    """Characters that both have, their share of the shorter one's own code, and where they are."""
    from copydetect import compare_files

    if a is None or b is None or not a.token_coverage or not b.token_coverage:
        return 0, 0.0, ((), ())
    overlap, shares, slices = compare_files(a, b)
    marks = tuple(
        tuple((int(start), int(end)) for start, end in zip(*found, strict=True)) if len(found) else ()
        for found in slices
    )
    return int(overlap), float(min(1.0, max(shares))), (marks[0], marks[1])

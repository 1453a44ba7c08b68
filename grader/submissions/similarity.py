"""Pairs of submissions that may be copies, by behaviour and by code. A hint for people, not a verdict.

Two tests, for two ways of copying:
- behaviour: near-identical schedules (each divided by its highest rate, over the same length). It finds code that was
  rewritten. Constant rates, standard formulas, the schedules of the references, and those of many in the class accuse
  nobody.
- code: fingerprints of the token streams, in which names are ignored, weighted by how few in the class share them
  (inverse document frequency; Sparck Jones, A Statistical Interpretation of Term Specificity and its Application in
  Retrieval, Journal of Documentation 28, 1972). Code that was given (the kit, the references, PyTorch's schedulers) and
  code that is common in the class is left out. It finds renamed and reordered code. Code that takes too long to read is
  compared by behaviour alone.

Two submissions that cite the same source, which few others cite, may be alike because of it: such a pair is reported
only if the code is nearly the same, and named as explained otherwise.

`python benchmarks/similarity.py` measures precision and recall on simulated classes.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

from grader.core.curves import distance, resampled, shape
from grader.core.recipe import Frozen, LearningRate, Recipe, Series
from grader.submissions.fingerprints import Fingerprints, without
from grader.submissions.known_schedules import name_of
from grader.submissions.manifest import cites
from grader.submissions.torch_schedules import played_by

SAME_BEHAVIOUR = 0.002  # mean distance of two shapes, of 1: rounding and a step more or less, no more
SAME_CODE = 0.35  # weighted share of what is a submission's own
MIN_OVERLAP = 40  # characters of the token stream: about two lines
# Two who write the same standard formula, or cite the same source, write alike: only nearly the same code counts.
NEARLY_SAME_CODE = 0.9
NEARLY_SAME_OVERLAP = 150
_COMMON = 0.3  # share of the class from which on code or a behaviour is nobody's own
_COMMON_SOURCE = 0.1  # and a source explains nothing
_COMMON_AT_LEAST = 4
_LEAST_WORDS = 3  # of a source without an address
_ASSISTANTS = {"chatgpt", "gpt", "openai", "copilot", "gemini", "claude", "llm", "ai", "deepseek", "llama", "assistant"}


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
    played: Series[LearningRate] | None = None  # then: the learning rate as far as it could be played
    stopped: bool = False  # it could not be played to the end
    folder: str = ""  # of former years
    config: str = ""  # config.py
    base_rate: float | None = None  # that the optimizer was made with; None if it is not known

    @property
    def rates(self) -> list[float]:
        """The first group's learning rate by step; empty if it is not known."""
        series = self.recipe.groups[0].lr if self.recipe is not None else self.played
        return list(series.expand()) if series is not None else []


class Reason(StrEnum):
    """Why a pair is reported."""

    BEHAVIOUR = "behaves alike"
    CODE = "is written alike"


class Pair(Frozen):
    """Two submissions that somebody should look at."""

    a: Candidate
    b: Candidate
    reasons: tuple[Reason, ...]
    evidence: float  # bits: how rare it is in the class to be so much alike
    distance: float | None  # of their learning rates; None if one has none
    code: float  # weighted share of the shorter one's own code that both have
    marked: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]  # what both have, as places in either code
    shared_source: str = ""  # which both cite, and few others


class Known(Frozen):
    """What is known of one submission's schedule."""

    id: str
    formula: str | None  # a standard one
    reference: str | None  # the reference that behaves the same
    torch: str | None  # PyTorch's scheduler that has the very same bits, where the code holds no formula of its own
    sources: tuple[str, ...]


class Findings(Frozen):
    """The report."""

    pairs: tuple[Pair, ...]  # the strongest evidence first
    explained: tuple[Pair, ...]  # alike, and citing the same source
    known: tuple[Known, ...]
    equal: tuple[tuple[str, ...], ...]  # ids of the class with equal recipes
    unread: tuple[str, ...]  # ids of those whose code takes too long to read: only their behaviour is compared
    unread_given: int = 0  # files of given code that take too long to read: what is from them counts as one's own


def compare(candidates: Sequence[Candidate], given: Iterable[str]) -> Findings:
    """Compare the class with itself and with former years. `given` is code that everybody may have."""
    mine = [c for c in candidates if c.origin is Origin.CLASS]
    references = [c for c in candidates if c.origin is Origin.REFERENCE]
    compared = [c for c in candidates if c.origin is not Origin.REFERENCE]
    behaviour = _Behaviour(compared, references)
    code = _Code(compared, [*given, *(r.code for r in references)])
    sources = _Sources(compared)
    pairs: list[Pair] = []
    explained: list[Pair] = []
    for a, b in combinations(compared, 2):
        if Origin.CLASS not in (a.origin, b.origin):
            continue
        taught = behaviour.is_taught(a), behaviour.is_taught(b)
        overlap, share = code.overlap(a, b)
        reasons = []
        if behaviour.is_same(a, b) and not any(taught):
            reasons.append(Reason.BEHAVIOUR)
        least = (NEARLY_SAME_CODE, NEARLY_SAME_OVERLAP) if all(taught) else (SAME_CODE, MIN_OVERLAP)
        if share >= least[0] and overlap >= least[1]:
            reasons.append(Reason.CODE)
        if not reasons:
            continue
        shared = sources.shared(a, b)
        bits = behaviour.rarity(a, b) if Reason.BEHAVIOUR in reasons else 0.0
        pair = Pair(
            a=a,
            b=b,
            reasons=tuple(reasons),
            evidence=round(bits + share * math.log2(max(2, len(compared))), 2),
            distance=behaviour.distance(a, b),
            code=round(share, 4),
            marked=code.marked(a, b),
            shared_source=shared,
        )
        (explained if shared and share < NEARLY_SAME_CODE else pairs).append(pair)
    for found in (pairs, explained):
        found.sort(key=lambda p: (-p.evidence, p.a.id, p.b.id))
    known = tuple(
        Known(
            id=c.id,
            formula=behaviour.formulas[id(c)],
            reference=behaviour.references[id(c)],
            torch=_torch(c),
            sources=c.sources,
        )
        for c in mine
    )
    unread = tuple(c.id for c in compared if code.is_unread(c))
    return Findings(pairs=tuple(pairs), explained=tuple(explained), known=known, equal=_equal(mine), unread=unread, unread_given=code.unread_given)


def _bound(count: int) -> float:
    """In how many submissions something may be before it is common."""
    return max(_COMMON_AT_LEAST, _COMMON * count)


class _Behaviour:
    """What the schedules do."""

    def __init__(self, compared: Sequence[Candidate], references: Sequence[Candidate]) -> None:
        rates = {id(c): c.rates for c in (*compared, *references)}
        self._rates = {key: found for key, found in rates.items() if found}
        self._stopped = {id(c) for c in (*compared, *references) if c.stopped and c.recipe is None}
        self._shapes = {key: shape(resampled(found)) for key, found in self._rates.items()}
        self.formulas = {id(c): name_of(found) if (found := rates[id(c)]) else None for c in compared}
        self.references = {id(c): next((r.id for r in references if self._close(c, r)), None) for c in compared}
        self._constant = {key for key, found in rates.items() if len(set(found)) == 1}
        self._count = len(compared)
        self._same = {frozenset((id(a), id(b))) for a, b in combinations(compared, 2) if self._close(a, b)}
        others = Counter(key for pair in self._same for key in pair)
        self._sharing = {key: others[key] + 1 for key in self._shapes}  # how many have this behaviour, each with itself

    def distance(self, a: Candidate, b: Candidate) -> float | None:
        """Mean distance of the two curves; None if one is not known.

        A schedule that could not be played to its end is compared step by step with the other's beginning, if that is
        at least half of it.
        """
        keys = id(a), id(b)
        if not all(key in self._shapes for key in keys):
            return None
        if self._stopped.isdisjoint(keys):
            mine, theirs = (self._shapes[key] for key in keys)
        else:
            both = [self._rates[key] for key in keys]
            steps = min(map(len, both))
            if 2 * steps < max(map(len, both)):
                return None
            mine, theirs = (shape(resampled(found[:steps])) for found in both)
        return distance(mine, theirs)

    def is_taught(self, candidate: Candidate) -> bool:
        """Whether the schedule is one that honest people share."""
        key = id(candidate)
        taught = key in self._constant or self.formulas[key] is not None or self.references[key] is not None
        return taught or self._sharing.get(key, 0) > _bound(self._count)

    def is_same(self, a: Candidate, b: Candidate) -> bool:
        """Whether both, of those that are compared, behave alike."""
        return frozenset((id(a), id(b))) in self._same

    def rarity(self, a: Candidate, b: Candidate) -> float:
        """Bits: how few have this behaviour."""
        return math.log2(max(2.0, 2 * self._count / max(2, self._sharing[id(a)], self._sharing[id(b)])))

    def _close(self, a: Candidate, b: Candidate) -> bool:
        gap = self.distance(a, b)
        return gap is not None and gap < SAME_BEHAVIOUR


@dataclass(frozen=True)
class _Own:
    """What is a submission's own in its code."""

    fingerprint: Any
    weight: float  # of all of its hashes


class _Code:
    """How the code is written."""

    def __init__(self, compared: Sequence[Candidate], given: Iterable[str]) -> None:
        with Fingerprints() as fingerprints:
            hashes = [fingerprints.all_of(code) for code in given]
            raw = {id(c): fingerprints.of(c.code) for c in compared}
        self.unread_given = hashes.count(None)
        common = set[int]().union(*filter(None, hashes))
        counts = Counter(int(h) for found in raw.values() if found is not None for h in found.hashes)
        bound = _bound(len(compared))
        common |= {h for h, n in counts.items() if n > bound}
        # 1 for what only two have, 0 for what everybody has.
        scale = math.log2(max(4, len(compared)) / 2)
        self._weights = {h: math.log2(max(4, len(compared)) / max(2, n)) / scale for h, n in counts.items()}
        self._own = {
            key: _Own(left := without(found, common), sum(self._weights[int(h)] for h in left.hashes))
            for key, found in raw.items()
            if found is not None
        }

    def is_unread(self, candidate: Candidate) -> bool:
        """Whether the code took too long to read."""
        return id(candidate) not in self._own

    def overlap(self, a: Candidate, b: Candidate) -> tuple[int, float]:
        """Characters that both have, about, and their weighted share of the shorter one's own code."""
        both = self._both(a, b)
        if both is None:
            return 0, 0.0
        mine, theirs = both
        shared = mine.fingerprint.hashes & theirs.fingerprint.hashes
        if not shared:
            return 0, 0.0
        share = sum(self._weights[int(h)] for h in shared) / min(mine.weight, theirs.weight)
        part = len(shared) / len(mine.fingerprint.hashes)
        return int(part * mine.fingerprint.token_coverage), min(1.0, share)

    def marked(self, a: Candidate, b: Candidate) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """What both have, as places in either code."""
        from copydetect import compare_files

        both = self._both(a, b)
        if both is None:
            return (), ()
        _, _, slices = compare_files(*(own.fingerprint for own in both))
        first, second = (
            tuple((int(start), int(end)) for start, end in zip(*found, strict=True)) if len(found) else ()
            for found in slices
        )
        return first, second

    def _both(self, a: Candidate, b: Candidate) -> tuple[_Own, _Own] | None:
        """What is their own; None if one of them has nothing of its own, or was not read."""
        mine, theirs = self._own.get(id(a)), self._own.get(id(b))
        return (mine, theirs) if mine and theirs and mine.weight and theirs.weight else None


class _Sources:
    """What is cited."""

    def __init__(self, compared: Sequence[Candidate]) -> None:
        self._cited = {id(c): set().union(*map(_keys, c.sources)) for c in compared}
        counts = Counter(key for cited in self._cited.values() for key in cited)
        bound = max(_COMMON_AT_LEAST, _COMMON_SOURCE * len(compared))
        self._common = {key for key, n in counts.items() if n > bound}

    def shared(self, a: Candidate, b: Candidate) -> str:
        """A source that both cite, and few others; empty if there is none."""
        shared = (self._cited[id(a)] & self._cited[id(b)]) - self._common
        return min(shared, default="")


def _keys(source: str) -> set[str]:
    """What tells a source from others: its addresses, or else its words.

    Where somebody cites nothing, a site as a whole, a book by one word or an assistant, there is no text that two would
    have from it.
    """
    addresses = {found.rstrip("/.,;)").lower() for found in re.findall(r"https?://(?:www\.)?([^\s<>()\"']+)", source)}
    addresses = {found for found in addresses if "/" in found}
    words = re.findall(r"\w+", source.lower())
    if addresses or not cites(source) or len(words) < _LEAST_WORDS or not _ASSISTANTS.isdisjoint(words):
        return addresses
    return {" ".join(words)[:200]}


def _torch(candidate: Candidate) -> str | None:
    if candidate.recipe is None or candidate.base_rate is None:
        return None
    return played_by(candidate.rates, candidate.base_rate, candidate.code, candidate.config)


def _equal(mine: Sequence[Candidate]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for candidate in mine:
        if candidate.recipe is not None:
            groups.setdefault(candidate.recipe.key, []).append(candidate.id)
    return tuple(tuple(ids) for ids in groups.values() if len(ids) > 1)

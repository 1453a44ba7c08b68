"""How often `grader similarity` is right, on a simulated class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from grader.core import task_file as tasks
from grader.sandbox.base import Sandbox
from grader.student.check import facts_of_public
from grader.submissions.given_code import of_torch
from grader.submissions.similarity import Candidate, Origin, compare
from support.similar_class import class_of_80
from support.submissions import CONFIG, ROOT, Compile, make


@dataclass(frozen=True)
class Rates:
    """What came of one class. Pairs are counted."""

    right: int  # copies that are reported
    wrong: int  # honest pairs that are reported
    missed: int  # copies that are not
    honest: int  # honest pairs in all
    first_wrong: int | None  # how many right ones stand before the first wrong one
    explained: int  # pairs that are alike and cite the same source
    missed_kinds: tuple[str, ...]


@cache
def _given() -> tuple[list[str], list[Candidate]]:
    references = [
        Candidate(id=p.parent.name, origin=Origin.REFERENCE, code=p.read_text(), sources=(), recipe=None)
        for p in sorted((ROOT / "reference").glob("*/scheduler.py"))
    ]
    return [(ROOT / "grader/scaffold/scheduler.py").read_text(), *of_torch()], references


def rates_of_similarity(seed: int, sandbox: Sandbox) -> Rates:
    """Compile and compare the class of that seed, for CIFAR-10 in batches of 64 and ten epochs."""
    task = tasks.load("cifar10")
    compiled = Compile(sandbox, task, facts_of_public(task))
    config = CONFIG.replace("num_epochs = 2", "num_epochs = 10")
    students = class_of_80(seed)
    candidates = []
    for student in students:
        recipe = compiled(make(scheduler=student.code, config=config)).recipe
        assert recipe is not None, student
        candidates.append(
            Candidate(id=student.name, origin=Origin.CLASS, code=student.code, sources=student.sources, recipe=recipe)
        )
    copies = {frozenset((s.name, s.copied)): s.kind for s in students if s.copied}
    given, references = _given()
    findings = compare([*candidates, *references], given)
    hits = [frozenset((p.a.id, p.b.id)) in copies for p in findings.pairs]
    reported = {frozenset((p.a.id, p.b.id)) for p in findings.pairs}
    return Rates(
        right=sum(hits),
        wrong=len(hits) - sum(hits),
        missed=len(copies) - sum(hits),
        honest=len(students) * (len(students) - 1) // 2 - len(copies),
        first_wrong=hits.index(False) if False in hits else None,
        explained=len(findings.explained),
        missed_kinds=tuple(sorted(kind for pair, kind in copies.items() if pair not in reported)),
    )

"""A class with three planted copies and ten honest cosines: exactly the planted ones are worth a look."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from grader.cli import render_similarity
from grader.core.task import Task, TaskFacts
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.similarity import Candidate, Findings, Origin, Reason, compare
from support.pathological import TEXTS
from support.runs import GRADER, MANIFEST, QUICK
from support.submissions import ROOT, Compile, make

FOLDER = ROOT / "tests/fixtures/class_with_copies"
PLANTED = {"original", "copy-renamed", "copy-reordered", "copy-rewritten"}
KIT = [(ROOT / "grader/scaffold/scheduler.py").read_text()]


@pytest.fixture(scope="module")
def candidates(sandlock: SandlockSandbox, task: Task, facts: TaskFacts) -> list[Candidate]:
    compiled = Compile(sandlock, task, facts)
    found = []
    paths = [(path, path.stem, Origin.CLASS) for path in sorted(FOLDER.glob("*.py"))]
    paths += [(p / "scheduler.py", p.name, Origin.REFERENCE) for p in sorted((ROOT / "reference").iterdir())]
    for path, name, origin in paths:
        code = path.read_text()
        result = compiled(make(scheduler=code)) if origin is Origin.CLASS else None
        if result is not None:
            assert result.recipe is not None, (name, result.violations)
        recipe = result.recipe if result else None
        found.append(Candidate(id=name, origin=origin, code=code, sources=("a book",), recipe=recipe))
    return found


@pytest.fixture(scope="module")
def findings(candidates: list[Candidate]) -> Findings:
    return compare(candidates, KIT)


def test_exactly_the_planted_ones_are_worth_a_look(findings: Findings) -> None:
    assert {c.id for pair in findings.pairs for c in (pair.a, pair.b)} == PLANTED


def test_each_copy_is_found_by_its_own_traces(findings: Findings) -> None:
    reasons = {frozenset((p.a.id, p.b.id)): set(p.reasons) for p in findings.pairs}
    assert reasons[frozenset(("original", "copy-renamed"))] == {Reason.BEHAVIOUR, Reason.CODE}
    assert reasons[frozenset(("original", "copy-reordered"))] == {Reason.CODE}  # other numbers: other behaviour
    assert reasons[frozenset(("original", "copy-rewritten"))] == {Reason.BEHAVIOUR}


def test_a_taught_formula_is_said_to_be_one(findings: Findings) -> None:
    known = {k.id: k for k in findings.known}
    assert all((known[f"honest{n:02}"].formula or "").startswith("cosine") for n in range(1, 11))
    assert all(known[name].formula is None for name in PLANTED)


def test_what_both_have_is_marked_in_both(findings: Findings) -> None:
    pair = next(p for p in findings.pairs if {p.a.id, p.b.id} == {"original", "copy-renamed"})
    for candidate, marks in ((pair.a, pair.marked[0]), (pair.b, pair.marked[1])):
        text = "".join(candidate.code[start:end] for start, end in marks)
        assert "math.sqrt" in text
        assert all(0 <= start < end <= len(candidate.code) for start, end in marks)


def test_a_former_year_s_work_is_found_and_not_reported_against_itself(candidates: list[Candidate]) -> None:
    original = next(c for c in candidates if c.id == "original")
    renamed = next(c for c in candidates if c.id == "copy-renamed")
    former = [original.model_copy(update={"origin": Origin.FORMER, "id": f"{n}"}) for n in range(2)]
    found = compare([renamed, *former, *(c for c in candidates if c.id.startswith("honest"))], KIT)
    assert {frozenset((p.a.id, p.b.id)) for p in found.pairs} == {
        frozenset(("copy-renamed", "0")), frozenset(("copy-renamed", "1")),
    }  # fmt: skip


def test_equal_recipes_are_named(candidates: list[Candidate]) -> None:
    one = next(c for c in candidates if c.id == "honest01")
    found = compare([one, one.model_copy(update={"id": "twin"})], KIT)
    assert found.equal == (("honest01", "twin"),)


def test_what_could_not_be_compiled_is_compared_by_its_code(candidates: list[Candidate]) -> None:
    pair = [c.model_copy(update={"recipe": None}) for c in candidates if c.id in ("original", "copy-renamed")]
    found = compare([*pair, *(c for c in candidates if c.id.startswith("honest"))], KIT)
    assert [p.reasons for p in found.pairs] == [(Reason.CODE,)]
    assert found.pairs[0].distance is None


def test_code_that_takes_too_long_to_read_is_named(candidates: list[Candidate]) -> None:
    one, *others = candidates
    odd = one.model_copy(update={"code": TEXTS["names of characters"] * 4})
    found = compare([odd, *others], [])
    assert found.unread == (odd.id,)
    assert odd.id in {known.id for known in found.known}  # by its schedule it is compared as ever
    assert "Code that was not compared" in render_similarity.page(found, "class", candidates)


def test_the_report_is_inert_and_complete(tmp_path: Path) -> None:
    hostile = "</pre><script>alert(1)</script>\u202e"
    original = (FOLDER / "original.py").read_text()
    for folder, name, text in (
        ("class", "mona", original + f"# {hostile}\n"),
        ("class", "<b>nils", (FOLDER / "copy-renamed.py").read_text()),
        ("class", "empty", ""),
        ("class", "broken", "def f(:\n\x00"),
        ("former", "otto", original),
    ):
        mine = tmp_path / folder / name
        mine.mkdir(parents=True)
        (mine / "scheduler.py").write_text(text)
        (mine / "config.py").write_text(QUICK)
        (mine / "submission.json").write_text(MANIFEST.replace("none: my own work", f"<i>{name} {hostile}"))
    (tmp_path / "class/binary").mkdir()
    (tmp_path / "class/binary/scheduler.py").write_bytes(bytes(range(256)))
    done = subprocess.run(
        [*GRADER, "similarity", "class", "--former", "former", "--sandbox", "sandlock"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 pair(s) worth a look among 6 submissions" in done.stdout
    page = (tmp_path / "similarity/report.html").read_text()
    assert "<script" not in page
    assert "<b>nils" not in page
    assert "\u202e" not in page
    assert "Cites: &lt;i&gt;mona" in page
    assert "<mark>" in page
    found = json.loads((tmp_path / "similarity/report.json").read_text())
    assert {(p["a"]["id"], p["b"]["id"]) for p in found["pairs"]} == {
        ("<b>nils", "mona"), ("<b>nils", "otto"), ("mona", "otto"),
    }  # fmt: skip
    assert not (tmp_path / "leaderboard").exists()

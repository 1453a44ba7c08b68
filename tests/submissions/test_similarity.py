"""A class with three planted copies and ten honest cosines: exactly the planted ones are worth a look."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from torch.optim import lr_scheduler
from grader.cli import render_similarity
from grader.core.errors import UsageError
from grader.core.recipe import Recipe, Series
from grader.core.task import Task, TaskFacts
from grader.sandbox.document import read_observed
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.given_code import in_folder, of_torch
from grader.submissions.similarity import Candidate, Findings, Origin, Reason, compare
from support.pathological import TEXTS
from support.runs import GRADER, MANIFEST, QUICK
from support.similarity import rates_of_similarity
from support.submissions import ROOT, SCHEDULER, Compile, make

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
        found.append(Candidate(id=name, origin=origin, code=code, sources=("none: my own work",), recipe=recipe))
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


@pytest.mark.parametrize("seed", [0, 1])
def test_a_class_of_80_is_told_right(seed: int, sandlock: SandlockSandbox) -> None:
    """`python benchmarks/similarity.py` has the rates over more classes."""
    found = rates_of_similarity(seed, sandlock)
    assert found.right >= 4
    assert found.wrong <= 1
    assert found.first_wrong is None or found.first_wrong >= 4  # the strongest evidence comes first


def candidate(name: str, code: str, recipe: Recipe | None, *sources: str) -> Candidate:
    return Candidate(id=name, origin=Origin.CLASS, code=code, sources=sources, recipe=recipe)


def test_constant_rates_accuse_nobody(compiled: Compile) -> None:
    forms = (
        "return list(self.base_lrs)",
        "drops = self.last_epoch // 50000\n        return [base * 0.5**drops for base in self.base_lrs]",
        "held = self.last_epoch < 10**6\n        return [base if held else base / 2 for base in self.base_lrs]",
    )
    codes = [SCHEDULER.replace("return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]", f) for f in forms]
    found = compare([candidate(str(n), c, compiled(make(scheduler=c)).recipe) for n, c in enumerate(codes)], KIT)
    assert not [p for p in found.pairs if Reason.BEHAVIOUR in p.reasons]


WAVE = """import math
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        t = self.last_epoch
        wave = 0.6 + 0.4 * math.sin(t / 3.0) * math.exp(-t / 20.0)
        return [base_lr * wave for base_lr in self.base_lrs]
"""
COPY = """from math import e, sin

from torch.optim import lr_scheduler


class CustomLRScheduler(lr_scheduler._LRScheduler):
    def get_lr(self):
        out = []
        for start in self.base_lrs:
            damp = e ** -(self.last_epoch / 20)
            out.append(start * 0.6 + start * 0.4 * damp * sin(self.last_epoch / 3))
        return out
"""


def test_who_cites_the_same_page_is_named_apart(compiled: Compile) -> None:
    wave, copy = compiled(make(scheduler=WAVE)).recipe, compiled(make(scheduler=COPY)).recipe
    page = "https://github.com/somebody/damped-waves"
    found = compare([candidate("a", WAVE, wave, f"{page} (adapted)"), candidate("b", COPY, copy, page)], KIT)
    assert not found.pairs
    assert [p.shared_source for p in found.explained] == ["github.com/somebody/damped-waves"]
    found = compare([candidate("a", WAVE, wave, page), candidate("b", COPY, copy, "https://github.com")], KIT)
    assert [p.reasons for p in found.pairs] == [(Reason.BEHAVIOUR,)]
    assert "both cite" not in render_similarity.page(found, "class", [])


@pytest.mark.parametrize("nothing", ["my own work", "No sources used.", "N/A", "TODO: list every source", "I worked alone", "keine", "ChatGPT helped me with the warmup"])
def test_who_cites_nothing_shares_no_source(compiled: Compile, nothing: str) -> None:
    wave, copy = compiled(make(scheduler=WAVE)).recipe, compiled(make(scheduler=COPY)).recipe
    found = compare([candidate("a", WAVE, wave, nothing), candidate("b", COPY, copy, nothing)], KIT)
    assert (len(found.pairs), len(found.explained)) == (1, 0)


def test_a_source_that_many_cite_explains_nothing(compiled: Compile) -> None:
    """Three of fourteen may have it from the same page; five have not."""
    wave, copy = compiled(make(scheduler=WAVE)).recipe, compiled(make(scheduler=COPY)).recipe
    other = compiled(make()).recipe
    page = "Smith, Cyclical Learning Rates for Training Neural Networks"
    few = [candidate("a", WAVE, wave, page), candidate("b", COPY, copy, page), candidate("c", "x = 1", other, page)]
    few += [candidate(str(n), f"y = {n}", other) for n in range(11)]
    assert [len(p) for p in (compare(few, KIT).pairs, compare(few, KIT).explained)] == [0, 1]
    many = [*few[:3], *(candidate(str(n), f"y = {n}", other, page if n < 2 else "none") for n in range(11))]
    assert [len(p) for p in (compare(many, KIT).pairs, compare(many, KIT).explained)] == [1, 0]


def test_a_play_that_stopped_is_compared_with_the_other_s_beginning(compiled: Compile) -> None:
    wave, copy = compiled(make(scheduler=WAVE)).recipe, compiled(make(scheduler=COPY)).recipe
    assert wave is not None
    assert copy is not None
    values = list(copy.groups[0].lr.expand())

    def pairs(steps: int, rates: list[float] = values) -> int:
        lr = Series[float](values=tuple(rates[:steps]), counts=(1,) * steps)
        stopped = candidate("b", COPY, None).model_copy(update={"played": lr, "stopped": True})
        return len(compare([candidate("a", WAVE, wave), stopped], KIT).pairs)

    assert pairs(len(values) * 3 // 4) == 1
    assert pairs(len(values) // 4) == 0  # too little of it to tell
    rise = [0.001 * (n + 1) for n in range(len(values))]
    risen = wave.model_copy(
        update={"groups": tuple(g.model_copy(update={"lr": Series[float](values=tuple(rise), counts=(1,) * len(rise))}) for g in wave.groups)}
    )
    lr = Series[float](values=tuple(rise[: len(rise) // 2]), counts=(1,) * (len(rise) // 2))
    begun = candidate("b", COPY, None).model_copy(update={"played": lr, "stopped": True})
    assert not compare([candidate("a", WAVE, risen), begun], KIT).pairs  # everybody's warmup


def test_given_code_that_takes_too_long_to_read_is_counted(compiled: Compile) -> None:
    slow = TEXTS["names of characters"] * 4
    found = compare([candidate("a", WAVE, compiled(make(scheduler=WAVE)).recipe)], [*KIT, slow])
    assert found.unread_given == 1


@pytest.mark.parametrize(("rate", "steps"), [(-5.0, 20), (0.1, 10**15)])
def test_a_forged_play_is_no_play(rate: float, steps: int, task: Task) -> None:
    played = {"values": [rate], "counts": [steps]}
    document = {"protocol": 1, "memory": False, "violations": [], "recipe": None, "torch": "2", "torchvision": None}
    seen: dict[str, object] = {"lr": played, "types": [], "stopped": None}
    assert read_observed(json.dumps({**document, "observed": seen}).encode(), task) is None
    seen["lr"] = {"values": [0.1], "counts": [20]}
    assert read_observed(json.dumps({**document, "observed": seen}).encode(), task) is not None


def test_what_many_behave_like_accuses_nobody(compiled: Compile) -> None:
    wave = compiled(make(scheduler=WAVE)).recipe
    few = [candidate(str(n), f"x{n} = {n}", wave) for n in range(4)]
    assert len(compare(few, KIT).pairs) == 6
    assert not compare([*few, candidate("4", "y = 1", wave)], KIT).pairs


def test_pytorch_s_own_code_and_the_course_s_are_nobody_s(tmp_path: Path, compiled: Compile) -> None:
    source = Path(lr_scheduler.__file__).read_text()
    body = source[source.index("    def _get_closed_form_lr(self)") :][:900]
    one, two = f"a = 1\n{WAVE}{body}", f"b = 2\n{SCHEDULER}{body}"
    pair = [candidate("a", one, None), candidate("b", two, None)]
    assert compare(pair, KIT).pairs
    assert not compare(pair, [*KIT, *of_torch()]).pairs
    assert sum(1 for _ in of_torch()) == 4
    (tmp_path / "kit/deep").mkdir(parents=True)
    (tmp_path / "kit/deep/base.py").write_text(body)
    assert not compare(pair, [*KIT, *in_folder(tmp_path / "kit")]).pairs
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no Python file"):
        list(in_folder(tmp_path / "empty"))


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


def test_rejected_ones_are_compared_by_what_they_play_and_nothing_is_downloaded(tmp_path: Path) -> None:
    """One cites nothing, one has a hook: neither has a recipe that could be trained."""
    hook = "self.hook = optimizer.register_step_post_hook(lambda *_: None)"
    rejected = COPY.replace("    def get_lr", f"    def __init__(self, optimizer):\n        super().__init__(optimizer)\n"
                            f"        {hook}\n\n    def get_lr")  # fmt: skip
    for name, code, sources in (("ada", WAVE, "none: my own work"), ("bob", COPY, "TODO"), ("cyd", rejected, "a book")):
        mine = tmp_path / "class" / name
        mine.mkdir(parents=True)
        (mine / "scheduler.py").write_text(code)
        (mine / "config.py").write_text(QUICK)
        (mine / "submission.json").write_text(MANIFEST.replace("none: my own work", sources))
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit/scheduler.py").write_text(SCHEDULER)
    call = [*GRADER, "similarity", "class", "--task", "cifar10", "--sandbox", "sandlock", "--given", "kit"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "similarity/report.json").read_text())
    assert ("ada", "bob") in {(p["a"]["id"], p["b"]["id"]) for p in found["pairs"]}
    assert {p.name for p in tmp_path.iterdir()} == {"class", "kit", "results", "similarity"}
    assert not list((tmp_path / "results").rglob("*.tar.gz"))

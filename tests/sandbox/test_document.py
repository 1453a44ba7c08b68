"""The manifest's rules, and what the host believes of a document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.core.recipe import Recipe
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Rule
from grader.sandbox.document import BrokenDocument, read_document
from grader.submissions.manifest import read_manifest
from support.submissions import Compile, make


def rules(manifest: object, **files: str) -> list[str]:
    return [v.rule.value for v in read_manifest(make(manifest=manifest, **files).files)[1]]


GOOD: dict[str, Any] = {"assignment_name": "a", "contributors": ["Ada"], "sources": ["a book"]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"contributors": "Ada"}, []),
        ({"contributors": [{"name": "Ada", "pennkey": "ada"}]}, []),
        ({"sources": [{"url": "https://arxiv.org/abs/1608.03983"}]}, []),
        ({"sources": ["https://www.example.com/page"]}, ["attribution"]),
        ({"sources": ["Include information about your sources here"]}, ["attribution"]),
        ({"sources": ["<your sources>"]}, ["attribution"]),
        ({"sources": ["A book, with an example.community chapter"]}, []),
        ({"sources": ["none: my own work"]}, []),
        ({"sources": []}, ["attribution"]),
        ({"sources": ["TODO: list every source"]}, ["attribution"]),
        ({"sources": ["TODO", "a book"]}, []),
        ({"sources": 3}, ["submission_json"]),
        ({"contributors": []}, ["attribution"]),
        ({"contributors": ["María Todo"]}, []),
        ({"sources": ["Claude fixed the TODO in get_lr()"]}, []),
        ({"sources": ["<https://arxiv.org/abs/1608.03983>"]}, []),
        ({"sources": ["https://learn-by-example.com/lr"]}, []),
        ({"contributors": ["Your Name"]}, ["attribution"]),
        ({"contributors": ["Jane Doe", "Ada"]}, ["attribution"]),
        ({"contributors": [1]}, ["submission_json"]),
        ({"assignment_name": ""}, ["submission_json"]),
        ({"assignment_name": None, "contributors": None, "sources": None},
         ["submission_json", "attribution", "attribution"]),
    ],
)  # fmt: skip
def test_manifest_rules(change: dict[str, Any], expected: list[str]) -> None:
    assert rules({**GOOD, **change}) == expected


def test_a_missing_key_counts_as_nothing_said() -> None:
    assert rules({"contributors": ["Ada"]}) == ["submission_json", "attribution"]
    assert rules([1, 2]) == ["submission_json"]


def test_attribution_may_stand_in_its_own_file() -> None:
    bare = {**GOOD, "sources": []}
    assert rules(bare, ATTRIBUTION_md="# Attribution\n\nFrom the lecture.\n") == []
    assert rules(bare, ATTRIBUTION_md="# Attribution\n\n<!-- write here -->\nTODO\n") == ["attribution"]


def test_the_line_of_a_manifest_problem_is_given() -> None:
    problem = read_manifest(make(manifest={**GOOD, "sources": []}).files)[1][0]
    assert str(problem).startswith("submission.json:6: no sources are given")


@pytest.fixture(scope="module")
def recipe(sandlock: Any, task: Task, facts: TaskFacts) -> dict[str, Any]:
    compiled = Compile(sandlock, task, facts)(make()).recipe
    assert compiled is not None
    return compiled.model_dump(mode="json")


def document(recipe: object, **more: object) -> bytes:
    base = {"protocol": 1, "memory": False, "violations": [], "recipe": recipe, "torch": "2", "torchvision": None}
    return json.dumps({**base, **more}).encode()


def test_an_honest_document_gives_its_recipe(recipe: dict[str, Any], task: Task, facts: TaskFacts) -> None:
    parsed = read_document(document(recipe), task, facts).recipe
    assert parsed == Recipe.model_validate_json(json.dumps(recipe))


def broken(recipe: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    result: Any = json.loads(json.dumps(recipe))
    *way, last = path.split(".")
    at = result
    for step in way:
        at = at[int(step) if step.isdigit() else step]
    at[last] = value
    return result


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("groups.0.lr.values", [-1.0] + [0.1] * 45, Rule.LEARNING_RATE),
        ("groups.0.lr", {"values": [0.1], "counts": [45]}, Rule.CONFIG),
        ("groups.0.lr", {"values": [0.1, 0.1], "counts": [40, 6]}, Rule.LEARNING_RATE),
        ("groups.0.lr", {"values": ["0.1"], "counts": [46]}, Rule.LEARNING_RATE),
        ("groups.0.parameters", ["no.such"], Rule.OPTIMIZER),
        ("groups.0.parameters", [], Rule.OPTIMIZER),
        ("optimizer", "LBFGS", Rule.OPTIMIZER),
        ("optimizer", "os.system", Rule.OPTIMIZER),
        ("groups.0.others.momentum", {"values": ["x"], "counts": [46]}, Rule.OPTIMIZER),
        ("groups.0.others.momentum", {"values": [None], "counts": [46]}, Rule.OPTIMIZER),
        ("groups.0.others.nesterov", {"values": [0.5], "counts": [46]}, Rule.OPTIMIZER),
        ("epochs", 3, Rule.STEPS),
        ("epochs", 10**12, Rule.CONFIG),
        ("batch_size", 0, Rule.CONFIG),
        ("frozen", ["no.such"], Rule.OPTIMIZER),
        ("transforms", [{"transform": "os.system", "arguments": {}}], Rule.TRANSFORMS),
        ("transforms", [{"transform": "torchvision.transforms.Pad", "arguments": {"padding": 9999}}], Rule.TRANSFORMS),
        ("accuracy", 1.0, Rule.CONFIG),
    ],
)
def test_a_bent_recipe_is_a_violation(
    recipe: dict[str, Any], task: Task, facts: TaskFacts, path: str, value: object, rule: Rule
) -> None:
    result = read_document(document(broken(recipe, path, value)), task, facts)
    assert result.recipe is None
    (violation,) = result.violations
    assert violation.rule is rule
    assert violation.file == ("scheduler.py" if rule is Rule.LEARNING_RATE else "config.py")


@pytest.mark.parametrize(
    ("path", "value", "words", "fix"),
    [
        ("groups.0.parameters", ["no.such"], "names parameters that the model does not have", "use model.parameters()"),
        ("groups.0.parameters", [], "the optimizer has no parameter to train", "give it model.parameters()"),
        ("epochs", 3, "the recipe has 46 steps where batch size and epochs make 69", "leave the recording"),
        ("groups.0.lr.values", [1e16] * 46, "groups.0.lr.values.0: Input should be less than or equal to", "choose"),
        ("groups.0.others.momentum", {"values": [0.9, None], "counts": [40, 6]}, "momentum changes its kind", "choose"),
        ("groups.0.others.momentum", {"values": ["m" * 65], "counts": [46]}, "at most 64 characters", "choose"),
        ("optimizer", "LBFGS", "a recipe cannot hold this: optimizer: Input should be", "choose"),
    ],
)
def test_what_is_wrong_with_a_bent_recipe_is_said(
    recipe: dict[str, Any], task: Task, facts: TaskFacts, path: str, value: object, words: str, fix: str
) -> None:
    violation = read_document(document(broken(recipe, path, value)), task, facts).violations[0]
    assert words in violation.what
    assert violation.fix.startswith(fix)


def test_a_recipe_may_use_all_steps_that_the_task_allows(recipe: dict[str, Any], task: Task, facts: TaskFacts) -> None:
    def allowed(steps: int) -> Task:
        return Task.model_validate({**dict(task), "max_steps": steps})

    assert read_document(document(recipe), allowed(46), facts).recipe is not None
    (violation,) = read_document(document(recipe), allowed(45), facts).violations
    assert (violation.rule, violation.what) == (Rule.STEPS, "46 steps; this task allows 45")
    assert violation.fix == "train for fewer epochs"


def test_every_parameter_may_be_frozen(recipe: dict[str, Any], task: Task, facts: TaskFacts) -> None:
    """Nothing trains then, but it is what the code said."""
    frozen = sorted(parameter.name for parameter in facts.parameters)
    assert read_document(document(broken(recipe, "frozen", frozen)), task, facts).recipe is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1e999",
        b"NaN",
        b'{"protocol": 1, "protocol": 1}',
        b"9" * 5000,
        b"[]" * 3,
        document(None),
        document(None, protocol=2),
        document(None, violations=[{"rule": "files"}]),
        document(None, extra=1),
        document(None, torch="x" * 1000),
    ],
)
def test_what_is_no_document_is_said_to_be_none(data: bytes, task: Task, facts: TaskFacts) -> None:
    with pytest.raises(BrokenDocument):
        read_document(data, task, facts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
def test_no_bytes_raise_anything_else(data: bytes, task: Task, facts: TaskFacts) -> None:
    with pytest.raises(BrokenDocument):
        read_document(data, task, facts)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, key=st.sampled_from(["optimizer", "groups", "frozen", "batch_size", "epochs", "transforms"]))
def test_no_recipe_raises_anything_else(
    value: object, key: str, recipe: dict[str, Any], task: Task, facts: TaskFacts
) -> None:
    try:
        read_document(document({**recipe, key: value}), task, facts)
    except BrokenDocument:
        pass


def test_foreign_text_is_made_printable(task: Task, facts: TaskFacts) -> None:
    said = {"rule": "raised", "file": "scheduler.py", "line": 1, "what": "a\x1b[31m\n::error::b\u202e", "fix": "c"}
    (violation,) = read_document(document(None, violations=[said]), task, facts).violations
    assert violation.what == "a?[31m?::error::b?"

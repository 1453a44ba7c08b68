"""`submission.json` and the attribution: what names somebody or something, and what only looks like it."""

from __future__ import annotations

import json

import pytest

from grader.core.verdict import Rule
from grader.submissions.manifest import cites, is_placeholder, read_manifest


def rules(**fields: object) -> list[Rule]:
    whole = {"assignment_name": "Schedulers", "contributors": ["Ada"], "sources": ["none: my own work"], **fields}
    text = json.dumps({key: value for key, value in whole.items() if value is not ...})
    return [v.rule for v in read_manifest({"submission.json": text.encode()})[1]]


@pytest.mark.parametrize(
    "text",
    ["Your Name Here", "Enter your name", "<name>", "TODO", "Jane Doe", "Student's name", "List every source", "your sources"],
)
def test_what_a_kit_holds_is_a_placeholder(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text", ["Ada Lovelace", "Enter Sandman", "Name Yournameson", "List every source: https://arxiv.org/abs/1608.03983"]
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "none: my own work", "None.", "N/A", "Nothing", "no other sources", "Keine", "I worked alone", "We did everything ourselves",
        "I used no outside help", "my own work", "TODO", "It is my own", "just me",
    ],
)  # fmt: skip
def test_who_names_no_source_cites_nothing(text: str) -> None:
    assert not cites(text)


@pytest.mark.parametrize(
    "text",
    [
        "Nonesuch, Learning Rates", "Loshchilov and Hutter, SGDR", "none but https://arxiv.org/abs/1608.03983", "ChatGPT",
        "Our own notes of the lecture and Smith 2017", "Minerva: a book", "We used the lecture",
    ],
)  # fmt: skip
def test_a_source_is_cited(text: str) -> None:
    assert cites(text)


@pytest.mark.parametrize("contributors", [..., None, [], "", [" "]])
def test_nobody_named_is_a_matter_of_attribution(contributors: object) -> None:
    """What a task may tolerate (`attribution = "warn"`)."""
    assert rules(contributors=contributors) == [Rule.ATTRIBUTION]


@pytest.mark.parametrize("contributors", [7, [7], [["Ada"]], {"a": 1}])
def test_contributors_of_another_type_break_the_format(contributors: object) -> None:
    assert rules(contributors=contributors) == [Rule.SUBMISSION_JSON]


@pytest.mark.parametrize("sources", [..., None, [], ["TODO: list every source"]])
def test_no_source_is_a_matter_of_attribution(sources: object) -> None:
    assert rules(sources=sources) == [Rule.ATTRIBUTION]

"""SECURITY.md claims nothing that has no test."""

from __future__ import annotations

import ast
import re

from support.submissions import ROOT

PROMISE = re.compile(r"^- (?P<text>.*?)(?=^- |^\*\*|^## |\Z)", re.M | re.S)


def promises() -> list[tuple[str, list[str]]]:
    text = (ROOT / "SECURITY.md").read_text()
    promised = text.split("\n## Promised\n")[1].split("\n## ")[0]
    return [(m["text"], re.findall(r"`(tests/[\w/]+\.py::\w+)`", m["text"])) for m in PROMISE.finditer(promised)]


def test_every_promise_names_a_test_and_every_test_is_there() -> None:
    found = promises()
    assert len(found) > 20
    for text, tests in found:
        assert tests, f"no test holds: {text}"
        for test in tests:
            file, name = test.split("::")
            tree = ast.parse((ROOT / file).read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_no_test_of_a_promise_is_left_out() -> None:
    """None is marked to be skipped, but for platforms that lack the tool."""
    for _, tests in promises():
        for test in tests:
            file, name = test.split("::")
            function = next(
                n
                for n in ast.parse((ROOT / file).read_text()).body
                if isinstance(n, ast.FunctionDef) and n.name == name
            )
            assert "skip" not in " ".join(map(ast.unparse, function.decorator_list)), test

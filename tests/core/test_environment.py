"""What is part of every key: sources by what they do, software, the kind of device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.core import source_hash as module
from grader.core.environment import Environment, commit, is_kind, software
from grader.core.source_hash import source_hash
from support.gradings import environment

SOURCE = '''"""A module."""

LIMIT = 3  # a number


def double(x):
    """Twice x."""
    return 2 * x
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "trainer/deep").mkdir(parents=True)
    (tmp_path / "trainer/deep/step.py").write_text(SOURCE)
    (tmp_path / "other.py").write_text(SOURCE)
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    return tmp_path


def hashed(*parts: str) -> str:
    source_hash.cache_clear()
    try:
        return source_hash(*parts)
    finally:
        source_hash.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [("a number", "another word"), ("Twice x.", "Two times x."), ("A module.", "The."), ("\n\n\n", "\n\n")],
)
def test_words_change_no_hash(package: Path, old: str, new: str) -> None:
    before = hashed("trainer")
    (package / "trainer/deep/step.py").write_text(SOURCE.replace(old, new))
    assert hashed("trainer") == before


@pytest.mark.parametrize(("old", "new"), [("LIMIT = 3", "LIMIT = 4"), ("2 * x", "x * 2"), ("double", "twice")])
def test_what_code_does_changes_the_hash(package: Path, old: str, new: str) -> None:
    before = hashed("trainer")
    (package / "trainer/deep/step.py").write_text(SOURCE.replace(old, new))
    assert hashed("trainer") != before


def test_threads_may_ask_at_once() -> None:
    """The first submissions of a run do, each from a thread of its own."""
    source_hash.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: source_hash("core", "submissions", "sandbox"), range(8)))
    assert len(found) == 1


def test_files_that_come_move_or_lie_elsewhere(package: Path) -> None:
    before = hashed("trainer")
    (package / "other.py").write_text("x = 1\n")
    assert hashed("trainer") == before
    (package / "trainer/deep/step.py").rename(package / "trainer/step.py")
    moved = hashed("trainer")
    assert moved != before
    (package / "trainer/new.py").write_text("")
    assert hashed("trainer") not in (before, moved)


DECIDING = {
    "device": "cpu (AVX2, kernels 0)", "python": "3.12.1", "torch": "2.1", "torchvision": "1",
    "libraries": ("numpy 2",), "trainer": "2",
}  # fmt: skip
BESIDE = {"processor": "y", "cores": 64, "grader": "1.0", "commit": "abc"}


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_bits_is_part_of_a_trainings_key(name: str) -> None:
    here = environment()
    there = Environment(**{**dict(here), name: DECIDING[name]})
    assert here.deciding != there.deciding
    assert here.key != there.key


@pytest.mark.parametrize("name", BESIDE)
def test_what_decides_no_bits_is_no_part_of_it(name: str) -> None:
    here = environment()
    there = Environment(**{**dict(here), name: BESIDE[name]})
    assert here.deciding == there.deciding
    assert here.key != there.key  # it says what graded all the same


def test_every_field_is_one_or_the_other() -> None:
    assert set(Environment.model_fields) == DECIDING.keys() | BESIDE.keys()


@pytest.mark.parametrize(
    ("kind", "wanted", "is_it"),
    [
        ("cpu (AVX2, kernels 1)", "cpu", True),
        ("cpu (AVX2, kernels 1)", "cpu (AVX2, kernels 1)", True),
        ("cpu (AVX2, kernels 1)", "cpu (AVX2, kernels 2)", False),
        ("NVIDIA H100 80GB HBM3 (CUDA 13.0, cuDNN 91002)", "NVIDIA H100 80GB HBM3", True),
        ("NVIDIA H100 80GB HBM3 (CUDA 13.0, cuDNN 91002)", "NVIDIA H100", False),
        ("cpu", "cpu", True),
    ],
)
def test_a_kind_may_be_named_without_its_versions(kind: str, wanted: str, is_it: bool) -> None:
    assert is_kind(kind, wanted) is is_it


def test_the_software_of_two_machines_is_compared_whole() -> None:
    for name in ("grader", "trainer", "Python", "torch", "torchvision", "kornia", "numpy", "pillow"):
        assert f"{name} " in software()


def test_the_commit_is_that_of_the_checkout() -> None:
    found = commit().removesuffix("+changes")
    assert found == "" or (len(found) == 40 and set(found) <= set("0123456789abcdef"))

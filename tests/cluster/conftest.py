"""What the tests of clusters compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import run, slow_class


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class, graded by the local engine."""
    where = tmp_path_factory.mktemp("local")
    assert run(slow_class(where / "class", 3), "--sandbox", "sandlock", where=where).returncode == 0
    return where

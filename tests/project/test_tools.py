"""What the tests themselves stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import os
import pytest

@pytest.mark.xdist_group("alone")
@pytest.mark.parametrize("n", range(8))
def test_one(n):
    with open("workers", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    """Clusters and memory bombs must not run side by side; a pytest-xdist that holds no groups says nothing of it."""
    (tmp_path / "test_group.py").write_text(TESTS)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    call = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "test_group.py"]
    done = subprocess.run(call, cwd=tmp_path, env=outside, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    assert len(set((tmp_path / "workers").read_text().split())) == 1

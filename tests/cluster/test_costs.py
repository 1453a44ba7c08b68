"""The page of costs says what its script says."""

from __future__ import annotations

import subprocess
import sys

from support.submissions import ROOT


def test_the_table_of_costs_is_the_script_s() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/costs.py"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().count("\n") > 8
    assert done.stdout in (ROOT / "docs/cluster.md").read_text()

"""Three trainings to the bit: whoever changes the trainer's arithmetic without meaning to fails here.

Which bits they are depends on the instructions that torch, oneDNN and MKL choose, so the recorded results are kept by
kind of device (`grader.training.device`): `golden.json`. The trainings run twice: as this machine does, and with the
oldest instructions, which every x86 processor has. A change of the arithmetic that is meant, and a kind that is not
recorded yet: `python -m pytest tests/training/test_golden.py --write-golden`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import golden_runs

RECORDED = Path(__file__).with_name("golden.json")
OLDEST = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"}


def trained(write: bool, **environment: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The three trainings, and what is recorded for the kind of device that they ran on."""
    done = subprocess.run(
        [sys.executable, golden_runs.__file__],
        env={**os.environ, **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if write:
        recorded[found["kind"]] = found["runs"]
        RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
    return found["runs"], recorded.get(found["kind"])


def test_trainings_with_the_oldest_instructions_are_the_recorded_ones(request: pytest.FixtureRequest) -> None:
    runs, recorded = trained(request.config.getoption("--write-golden"), **OLDEST)
    assert recorded is not None, "this kind of device is not recorded: see the module"
    assert runs == recorded


def test_trainings_of_this_machine_are_the_recorded_ones(request: pytest.FixtureRequest) -> None:
    """On a kind that nobody recorded they are close to the others: other roundings, the same arithmetic."""
    runs, recorded = trained(request.config.getoption("--write-golden"))
    if recorded is not None:
        assert runs == recorded
        return
    for others in json.loads(RECORDED.read_text()).values():
        for name, run in runs.items():
            assert run["losses"][0][0] == pytest.approx(others[name]["losses"][0][0], rel=1e-3), name
            assert run["accuracies"][-1] == pytest.approx(others[name]["accuracies"][-1], abs=0.1), name

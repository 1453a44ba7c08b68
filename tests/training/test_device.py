"""The kind of device names everything that decides bits: each library that picks its own instructions, on its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import torch
from grader.training import loop
from grader.training.device import environment, kind_of
device = torch.device("cpu")
before = torch.get_rng_state()
loop.prepare_process(device)
print(kind_of(device))
assert torch.equal(before, torch.get_rng_state())  # asking changes no draw
assert environment(device).device == kind_of(device)
"""


def kind(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def here() -> str:
    return kind()


def test_it_is_the_same_in_every_process(here: str) -> None:
    assert here == kind()
    assert here.startswith("cpu (")


SETTINGS = [{"ATEN_CPU_CAPABILITY": "default"}]
if platform.machine() in ("x86_64", "AMD64"):  # MKL, and oneDNN's names of instruction sets, are there only
    SETTINGS += [{"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"MKL_CBWR": "COMPATIBLE"}]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: next(iter(setting)))
def test_a_setting_that_changes_results_changes_it(here: str, setting: dict[str, str]) -> None:
    assert kind(**setting) != here


def test_torchs_own_capability_is_named() -> None:
    assert kind(ATEN_CPU_CAPABILITY="default").startswith("cpu (DEFAULT, ")

"""The processes that train: how they are started, and what a start that fails costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grader.core.task import Task
from grader.training import process as module
from grader.training.pool import TrainerPool
from grader.training.process import DiedError
from support.runs import GRADER, make_class


def test_nothing_is_imported_from_the_folder_where_the_grader_is_called(tmp_path: Path) -> None:
    """Student code may lie there, under the name of a library: it runs in the sandbox or not at all."""
    make_class(tmp_path / "class", 1)
    names = ("torchvision", "torch", "numpy", "kornia", "pickle", "sitecustomize", "grader")
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n")
    call = [sys.executable, "-P", "-c", "from grader.cli.main import main; main()", "run", "class"]
    done = subprocess.run(
        [*call, "--sandbox", "sandlock", "--device", "cpu"], cwd=tmp_path, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_start_that_fails_costs_one_request(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(TrainerPool(task, "cpu", 1)) as pool:
        process = pool._all[0]
        real = module._context()

        class Broken:
            Pipe = staticmethod(real.Pipe)

            class Process:
                def __init__(self, **_: Any) -> None:
                    pass

                def start(self) -> None:
                    raise ConnectionRefusedError("no fork server")

        with monkeypatch.context() as patch:
            patch.setattr(module, "_context", Broken)
            with pytest.raises(DiedError, match="could not be started"):
                process.start()
        facts, _ = pool.facts()
        assert facts[0].n_train


def test_a_pool_that_is_closed_while_it_starts_leaves_no_process(task: Task) -> None:
    pool = TrainerPool(task, "cpu", 2)
    pool.start()
    pool.close()
    deadline = time.monotonic() + 60
    while any(process._starting.locked() for process in pool._all) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(process._process is None or process._process.exitcode is not None for process in pool._all)


@pytest.mark.parametrize("delay", [1.0, 2.0, 3.0])
def test_an_interrupt_while_it_starts_ends_it_quietly(tmp_path: Path, delay: float) -> None:
    """^C reaches the whole group of a terminal, the fork server among it."""
    make_class(tmp_path / "class", 1)
    call = [*GRADER, "run", "class", "--sandbox", "sandlock", "--device", "cpu"]
    with subprocess.Popen(
        call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said

"""Compiles one submission to plain data: the process that student code runs in.

Reads a job (JSON) on stdin, writes one document (JSON) to the descriptor that was stdout, and
treats what the submission prints as captured output. It never sees an image, a label or a weight.

Job:      {"files": {"scheduler.py": text, "config.py": text}, "modules": [ModuleFact, ...],
           "parameters": [ParameterFact, ...], "n_train": int, "image": [C, H, W], "max_steps": int,
           "cpu_seconds": float, "observe": bool}
Document: {"protocol": 1, "memory": bool, "timeout": bool, "violations": [...], "recipe": {...} | null,
           "observed": {...} | null, "base_rates": [float, ...], "cpu_seconds": float, "cost": [float, ...],
           "torch": version, "torchvision": version | null}

With "observe" the play goes as far as it can, and its end is no verdict: the document has no recipe, but what was seen.
"""

import contextlib
import importlib
import json
import os
import random
import sys
import tempfile
from typing import Any

import torch

from . import no_torch_compiler
from .compiler import Compiler
from .cpu_limit import CpuLimit, OutOfTime, used_up
from .report import Report

PROTOCOL = 1
#: The libraries and what schedules use of the standard library; what is not here is imported where it is named.
_USED = ("decimal", "fractions", "statistics", "numpy", "numpy.fft", "numpy.random", "torchvision.transforms.v2")
_leave = os._exit  # a submission may put something of its own in its place


def main() -> None:
    """Entry of a fresh worker process; `--confine MEMORY_MB SECONDS` locks it down first."""
    result = os.dup(1)
    os.dup2(2, 1)
    if sys.argv[1:2] == ["--confine"]:
        from . import lockdown  # Linux only

        import_libraries()
        mapped = lockdown.mapped_bytes()
        lockdown.confine(memory_mb=int(sys.argv[2]), cpu_seconds=float(sys.argv[3]), mapped=mapped)
    else:
        import_libraries()
    serve(0, result)


def import_libraries() -> None:
    """Import what submissions import: before the worker is confined and its memory is measured, so that neither the
    time nor the libraries' memory is charged to a submission."""
    with contextlib.suppress(OSError):
        tempfile.gettempdir()  # looked for once, by writing: a confined worker would find none
    no_torch_compiler.install()
    for name in _USED:
        importlib.import_module(name)


def serve(job_descriptor: int, result_descriptor: int) -> None:
    """Say that we are ready, read the job, compile it, write the document, and leave at once."""
    _shuffle()
    os.write(result_descriptor, b"R")
    with os.fdopen(job_descriptor, "rb", closefd=False) as stream:
        job = json.loads(stream.read())  # to its end: whoever reads on finds nothing
    document = json.dumps(compile_submission(job), allow_nan=False, separators=(",", ":")).encode()
    view = memoryview(document)
    while view:
        view = view[os.write(result_descriptor, view) :]
    with contextlib.suppress(BaseException):  # they may be anything by now
        sys.stdout.flush()
        sys.stderr.flush()
    _leave(0)  # student threads and exit handlers get no further word


def _shuffle() -> None:
    """Chance of this process's own: workers forked from one process would all draw the same, and pass for regular."""
    random.seed()
    torch.manual_seed(int.from_bytes(os.urandom(7), "big"))
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def compile_submission(job: dict[str, Any]) -> dict[str, Any]:
    """The document for one job. Whatever the submission raises ends up as a violation in it."""
    report = Report(job["files"])
    limit = CpuLimit(job["cpu_seconds"])
    compiler = Compiler(job, report, limit)
    recipe, memory, timeout = None, False, False
    try:
        recipe = compiler.run()
    except MemoryError:
        memory = True
    except OutOfTime:
        timeout = True
    except BaseException as error:
        limit.stop()
        report.add_exception(error, "the submission", "scheduler.py")
    finally:
        limit.stop()
    cost = limit.parts
    if timeout:
        file, line = limit.place or ("scheduler.py", report.line_of("scheduler.py", "def get_lr"))
        report.add("resources", file, line, used_up(limit.seconds), limit.fix)
    torchvision = sys.modules.get("torchvision")
    return {
        "protocol": PROTOCOL,
        "memory": memory,
        "timeout": timeout,
        "violations": report.violations,
        "recipe": None if job["observe"] else recipe,
        "observed": compiler.observed() if job["observe"] else None,
        "base_rates": compiler.base_rates,
        "cpu_seconds": limit.used,
        "cost": cost,
        "torch": str(torch.__version__),
        "torchvision": str(getattr(torchvision, "__version__", None)) if torchvision else None,
    }


if __name__ == "__main__":
    main()

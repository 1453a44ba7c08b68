"""`grader check` on a good submission against importing what it needs, in one run.

    python benchmarks/check.py

Prints the medians of five runs each, alternating, and the ratio (the goal is at most 1.3), and the
time of `grader --help` (the goal is under 0.3 s).
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grader.student.kit import write_kit

MANIFEST = '{"assignment_name": "a", "contributors": ["Ada"], "sources": ["none, my own work"]}'


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_kit(Path(folder))
        (Path(folder) / "submission.json").write_text(MANIFEST)
        check, imports = [], []
        for _ in range(6):
            imports.append(seconds("-c", "import torch, torchvision"))
            check.append(seconds("-m", "grader", "check", folder))
        a, b = statistics.median(check[1:]), statistics.median(imports[1:])
        print(f"grader check {a:.2f} s, import torch, torchvision {b:.2f} s: ratio {a / b:.2f}")
        print(f"grader --help {statistics.median(seconds('-m', 'grader', '--help') for _ in range(5)):.2f} s")


if __name__ == "__main__":
    main()

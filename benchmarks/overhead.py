"""How much of `grader run` is not training: start, sandboxes, leaderboard, logs.

    python benchmarks/overhead.py --task cifar10
    python benchmarks/overhead.py --task FILE.toml --students 50 --epochs 1

Grades a class of students who all differ, with one seed, in a scratch folder, and compares the
clock's time with the trainings' own seconds. Few epochs make the share larger than a course's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grader.core import task_file as tasks

SCHEDULER = """
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base / (1 + {factor} * self.last_epoch) for base in self.base_lrs]
"""
CONFIG = """
import torch
from torchvision.transforms import Compose, Normalize, {flip}ToTensor


class CONFIG:
    batch_size = {batch_size}
    num_epochs = {epochs}
    lrs_kwargs = {{}}

    def optimizer_factory(model):
        return torch.optim.{optimizer}(model.parameters(), lr=0.001)

    transforms = Compose([{called}ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
"""


def write_class(folder: Path, students: int, epochs: int) -> None:
    for number in range(students):
        one = folder / f"student{number:03}"
        one.mkdir(parents=True)
        flip = number % 2
        config = CONFIG.format(
            flip="RandomHorizontalFlip, " if flip else "",
            called="RandomHorizontalFlip(), " if flip else "",
            batch_size=(32, 64, 128, 256)[number % 4],
            optimizer=("Adam", "SGD")[number // 4 % 2],
            epochs=epochs,
        )
        (one / "config.py").write_text(config)
        (one / "scheduler.py").write_text(SCHEDULER.format(factor=1e-4 * (1 + number)))
        manifest = {"assignment_name": "overhead", "contributors": [one.name], "sources": ["none: a benchmark"]}
        (one / "submission.json").write_text(json.dumps(manifest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="cifar10", help="a task of grader's, or a task file")
    parser.add_argument("--students", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--sandbox", default="auto")
    chosen = parser.parse_args()
    shipped = tasks.load(chosen.task)
    source = Path(chosen.task) if chosen.task.endswith(".toml") else shipped.folder / f"{chosen.task}.toml"
    jobs = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(dir=source.parent if shipped.data.path or ":" in shipped.model else None) as work:
        text = "\n".join(line for line in source.read_text().splitlines() if not line.startswith("seeds"))
        task = Path(work) / "task.toml"  # one seed; data and model are found from where the task file lies
        text = text.replace('path = "', 'path = "../').replace('model = "model', 'model = "../model')
        task.write_text("seeds = [0]\n" + text)
        write_class(Path(work) / "class", chosen.students, chosen.epochs)
        (Path(work) / "reference").mkdir()
        command = [sys.executable, "-m", "grader", "run", f"{work}/class", "--task", str(task)]
        command += ["--sandbox", chosen.sandbox, "--jobs", str(jobs), "--results", f"{work}/results"]
        command += ["--leaderboard", f"{work}/board.json", "--reference", f"{work}/reference"]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
        rows = json.loads((Path(work) / "board.json").read_text())["rows"]
    assert len(rows) == chosen.students and all(row["verdict"] in ("ok", "diverged") for row in rows)
    training = sum(seed["seconds"] for row in rows for seed in row["seeds"])
    print(
        f"{len(rows)} submissions, {chosen.epochs} epoch(s), one seed, {jobs} at a time: {wall:.1f} s by the clock, "
        f"{training / jobs:.1f} s of it training; outside of training: {100 * (1 - training / jobs / wall):.1f} %"
    )


if __name__ == "__main__":
    main()

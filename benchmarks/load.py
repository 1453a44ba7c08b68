"""Does a large class leave anything behind?   python benchmarks/load.py [SUBMISSIONS] [SANDBOX]

Grades that many submissions on `digits` (an epoch, one seed) in one run of the command and watches it from outside:
resident memory and open files of the grader and of its processes, containers, and how many were graded when.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
SANDBOX = sys.argv[2] if len(sys.argv) > 2 else "sandlock"
TASK = 'name = "load"\nmodel = "lenet"\nseeds = [0]\n[data]\nsource = "digits"\n[ranking]\ncontribution = false\n'
SCHEDULER = """from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.9{n:04}**self.last_epoch for base_lr in self.base_lrs]
"""
CONFIG = """import torch
from torchvision.transforms import ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 1
    lrs_kwargs = {}
    transforms = [ToTensor()]

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
"""
MANIFEST = json.dumps({"assignment_name": "a", "contributors": ["Ada"], "sources": ["none: my own work"]})


def make_class(folder: Path) -> None:
    for n in range(COUNT):
        mine = folder / f"student{n:05}"
        mine.mkdir(parents=True)
        (mine / "scheduler.py").write_text(SCHEDULER.format(n=n))
        (mine / "config.py").write_text(CONFIG)
        (mine / "submission.json").write_text(MANIFEST)


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found, todo = [pid], [pid]
    while todo:
        for children in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            try:
                below = list(map(int, children.read_text().split()))
            except OSError:
                continue
            found += below
            todo += below
    return found


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def open_files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def containers() -> int:
    if SANDBOX != "docker":
        return 0
    call = ["docker", "ps", "--all", "--quiet", "--filter", "label=org.grader"]
    return len(subprocess.run(call, capture_output=True, text=True, check=False).stdout.split())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        make_class(where / "class")
        (where / "task.toml").write_text(TASK)
        (where / "reference").mkdir()
        call = [sys.executable, "-m", "grader", "run", "class", "--task", "task.toml", "--sandbox", SANDBOX]
        call += ["--device", "cpu", "--reference", "reference", "--leaderboard", "board.json"]
        start = time.monotonic()
        process = subprocess.Popen(
            call, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "CI": "1"}
        )
        graded = 0

        def count() -> None:
            nonlocal graded
            assert process.stdout is not None
            for line in process.stdout:
                graded += line.startswith("[")

        reader = threading.Thread(target=count)
        reader.start()
        print(f"{COUNT} submissions, sandbox {SANDBOX}\n")
        print("| graded | seconds | grader MB | grader's open files | processes | all processes MB | containers |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        step = max(1, COUNT // 10)
        due = step
        while process.poll() is None:
            if graded >= due:
                below = family(process.pid)
                figures = [
                    graded, round(time.monotonic() - start), round(resident_mb(process.pid)), open_files(process.pid),
                    len(below), round(sum(map(resident_mb, below))), containers(),
                ]  # fmt: skip
                print(f"| {' | '.join(map(str, figures))} |", flush=True)
                due = graded + step
            time.sleep(0.2)
        reader.join()
        rows = json.loads((where / "board.json").read_text())["rows"]
        ok = sum(row["verdict"] == "ok" for row in rows)
        total = time.monotonic() - start
        print(f"\nexit code {process.returncode}; {ok} of {len(rows)} ok; {total:.0f} s, {total / COUNT:.3f} s each")
        print(f"left behind: {containers()} container(s)")


if __name__ == "__main__":
    main()

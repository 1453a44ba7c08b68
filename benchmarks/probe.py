"""How long the sandboxes take: an empty-handed submission, and 100,000 steps of a cheap get_lr().

    python benchmarks/probe.py [sandlock|docker|none ...]

Prints, per sandbox, the median over five runs of the wall time of one compilation, and the time of
100,000 steps (the goal is under 5 s).
"""

import statistics
import sys
import time

from grader.core import task_file as tasks
from grader.core.task import SandboxLimits
from grader.sandbox.base import SandboxChoice, job_of, limits_of
from grader.sandbox.factory import choose
from grader.submissions.loader import Submission
from grader.training import data, models

SCHEDULER = b"""
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr / (1 + 0.001 * self.last_epoch) for base_lr in self.base_lrs]
"""
CONFIG = """
import torch
from torchvision.transforms import ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = {epochs}
    lrs_kwargs = {{}}
    optimizer_factory = lambda model: torch.optim.Adam(model.parameters(), lr=0.001)
    transforms = [ToTensor()]
"""


def main() -> None:
    task = tasks.load("digits").with_limits(SandboxLimits(seconds=60))
    facts = models.facts_of(task, data.load(task))
    for name in sys.argv[1:] or ["sandlock", "none"]:
        sandbox = choose(SandboxChoice(name))
        sandbox.open(print)
        for label, epochs, repeats in (("46 steps", 2, 5), ("99,981 steps", 4347, 3)):
            files = {"scheduler.py": SCHEDULER, "config.py": CONFIG.format(epochs=epochs).encode()}
            job = job_of(Submission("benchmark", files), task, facts)
            walls, inside = [], []
            for _ in range(repeats + 1):
                started = time.perf_counter()
                outcome = sandbox.run(job, limits_of(task, 300))
                walls.append(time.perf_counter() - started)
                inside.append(outcome.seconds)
                assert outcome.ending == "exited", outcome
            wall, own = statistics.median(walls[1:]), statistics.median(inside[1:])
            print(f"{name:9} {label:13} {wall:6.2f} s wall, of which the submission {own:6.2f} s")
        sandbox.close()


if __name__ == "__main__":
    main()

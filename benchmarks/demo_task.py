"""On which small task do schedules show?   python benchmarks/demo_task.py [--seeds 10] [--first 100] [--only NAME]

Trains six schedules on each candidate for the embedded task, with seeds from --first on, and prints what a newcomer's
board would have to tell apart: the differences to the constant rate, paired over the seeds, with 95 % intervals
(Student's t), the noise of one training (standard deviation over the seeds, pooled over the schedules), and CPU time.
The task `digits` is the row "CNN, 25 % noise"; it was chosen on seeds from 1000 on, its rate as the one at which cosine
does best (`--only` prints the rates around it).
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from sample_class import MOMENTUM, NORMALIZED, SHARE, series
from scipy.stats import t as student

from grader.core.recipe import Optimizer, ParameterGroup, Recipe, Series, Setting, steps_per_epoch
from grader.core.task import Task, TaskFacts
from grader.core.task_file import load
from grader.training import data, loop, models

CPU = torch.device("cpu")
MLP = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, channels, height, width, classes):
        super().__init__(
            nn.AvgPool2d(4), nn.Flatten(),
            nn.Linear(channels * height * width // 16, 64), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, classes),
        )
"""


@dataclass(frozen=True)
class Candidate:
    """A model on the digits, and how it is trained."""

    model: str = "cnn"
    label_noise: float = 0.25
    views: int = 3
    batch_size: int = 64
    epochs: int = 6
    rate: float = 0.02

    def task(self, folder: Path) -> Task:
        """As a task."""
        (folder / "model.py").write_text(MLP)
        (folder / "task.toml").write_text(
            f'name = "candidate"\nmodel = "{self.model}"\n[data]\nsource = "digits"\n'
            f"label_noise = {self.label_noise}\nviews = {self.views}\n"
        )
        return load(str(folder / "task.toml"))


CANDIDATES = {
    "LeNet, clean labels": Candidate("lenet", 0.0, 0, epochs=5),
    "LeNet, 25 % noise": Candidate("lenet", epochs=12),
    "MLP, 20 % noise, 12 epochs, rate 0.05": Candidate("model.py:Net", 0.2, epochs=12, rate=0.05),
    "CNN, clean labels": Candidate(label_noise=0.0),
    "CNN, 20 % noise": Candidate(label_noise=0.2),
    "CNN, 25 % noise": Candidate(),
    "CNN, 30 % noise": Candidate(label_noise=0.3),
    "CNN, 25 % noise, 8 epochs": Candidate(epochs=8),
    "CNN, 25 % noise, rate 0.0025": Candidate(rate=0.0025),
    "CNN, 25 % noise, rate 0.005": Candidate(rate=0.005),
    "CNN, 25 % noise, rate 0.01": Candidate(rate=0.01),
    "CNN, 25 % noise, rate 0.04": Candidate(rate=0.04),
}
SCHEDULES: dict[str, Callable[[float], float]] = {
    **{name: SHARE[name] for name in ("constant", "cosine", "linear")},
    "step": lambda x: 0.2 ** sum(x >= at for at in (0.3, 0.6, 0.8)),
    "exponential": lambda x: 0.01**x,
    "warmup + cosine": lambda x: x / 0.1 if x < 0.1 else SHARE["cosine"]((x - 0.1) / 0.9),
}


def recipe_of(candidate: Candidate, schedule: str, facts: TaskFacts) -> Recipe:
    """SGD with momentum 0.9 at the schedule's rates."""
    steps = candidate.epochs * steps_per_epoch(facts.n_train, candidate.batch_size)
    rates = series([candidate.rate * SCHEDULES[schedule](step / steps) for step in range(steps)])
    others: dict[str, Series[Setting]] = {
        name: Series(values=(value,), counts=(steps,)) for name, value in MOMENTUM.items()
    }
    names = tuple(p.name for p in facts.trainable)
    return Recipe(
        optimizer=Optimizer.SGD,
        groups=(ParameterGroup(parameters=names, lr=rates, others=others),),
        frozen=(),
        batch_size=candidate.batch_size,
        epochs=candidate.epochs,
        transforms=NORMALIZED,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--only", choices=CANDIDATES)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    loop.prepare_process(CPU)
    width = student.ppf(0.975, arguments.seeds - 1) / math.sqrt(arguments.seeds)
    print(f"| candidate | constant (%) | {' | '.join(list(SCHEDULES)[1:])} | noise | CPU s |")
    print("| --- " * (len(SCHEDULES) + 3) + "|")
    for name in [arguments.only] if arguments.only else CANDIDATES:
        candidate = CANDIDATES[name]
        with tempfile.TemporaryDirectory() as folder:
            task = candidate.task(Path(folder))
            images = data.load(task)
            facts = models.facts_of(task, images)
            started, found = time.process_time(), {}
            for schedule in SCHEDULES:
                recipe = recipe_of(candidate, schedule, facts)
                runs = [loop.train(recipe, task, images, seed, CPU, 600) for seed in seeds]
                found[schedule] = [100 * run.accuracy if run.accuracy is not None else math.nan for run in runs]
            cost = (time.process_time() - started) / len(SCHEDULES) / len(seeds)
        cells = []
        for schedule in list(SCHEDULES)[1:]:
            differences = [a - b for a, b in zip(found[schedule], found["constant"], strict=True)]
            cells.append(f"{statistics.fmean(differences):+.2f} ± {width * statistics.stdev(differences):.2f}")
        noise = math.sqrt(statistics.fmean(statistics.variance(values) for values in found.values()))
        constant = statistics.fmean(found["constant"])
        print(f"| {name} | {constant:.2f} | {' | '.join(cells)} | {noise:.2f} | {cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()

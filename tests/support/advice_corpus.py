"""Schedules with the advice that an expert would give, for CIFAR-10 in batches of 512 and 10 epochs: 980 steps.

They are written without a look at the rules of `grader.student.advice`. Where an expert would be undecided, a schedule
is not in here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

HEAD = "import math\nimport random\n\nfrom torch.optim.lr_scheduler import _LRScheduler\n\n\n"
CONFIG = """import torch
from torchvision.transforms import ToTensor


class CONFIG:
    batch_size = 512
    num_epochs = 10
    lrs_kwargs = {kwargs}
    transforms = [ToTensor()]

    def optimizer_factory(model):
        return torch.optim.{optimizer}
"""


@dataclass(frozen=True)
class Schedule:
    """A submission, and the codes of the advice on it."""

    name: str
    source: str
    expected: frozenset[str]
    optimizer: str = "SGD(model.parameters(), lr=0.1)"
    kwargs: str = "{}"
    cited: bool = True

    def write(self, folder: Path) -> Path:
        """Its files in a new folder."""
        folder.mkdir(parents=True)
        (folder / "scheduler.py").write_text(self.source)
        (folder / "config.py").write_text(CONFIG.format(kwargs=self.kwargs, optimizer=self.optimizer))
        sources = ["Loshchilov and Hutter, SGDR"] if self.cited else ["none: my own work"]
        manifest = {"assignment_name": "Schedulers", "contributors": ["Ada"], "sources": sources}
        (folder / "submission.json").write_text(json.dumps(manifest))
        return folder


def _of(name: str, body: str, *expected: str, **more: object) -> Schedule:
    """A schedule from the methods of its class."""
    lines = [
        "class CustomLRScheduler(_LRScheduler):",
        *(f"    {line}".rstrip() for line in body.strip("\n").split("\n")),
    ]
    return Schedule(name, HEAD + "\n".join(lines) + "\n", frozenset(expected), **more)  # type: ignore[arg-type]


def _factor(name: str, expression: str, *expected: str, **more: object) -> Schedule:
    """A schedule from a factor, in which `t` is the step."""
    body = f"def get_lr(self):\n    t = self.last_epoch\n    return [base_lr * ({expression}) for base_lr in self.base_lrs]"
    return _of(name, body, *expected, **more)


def _with(name: str, arguments: str, before: str, expression: str, *expected: str, **more: object) -> Schedule:
    """A schedule whose constructor has `arguments` and keeps them, and `before` of get_lr()."""
    names = re.findall(r"(\w+)=", arguments)
    kept = "\n".join(f"    self.{one} = {one}" for one in names)
    body = (
        f"def __init__(self, optimizer, {arguments}, last_epoch=-1):\n{kept}\n"
        "    super().__init__(optimizer, last_epoch)\n\n"
        f"def get_lr(self):\n    t = self.last_epoch\n{before}"
        f"    return [base_lr * ({expression}) for base_lr in self.base_lrs]"
    )
    return _of(name, body, *expected, **more)


COS = "0.5 * (1 + math.cos(math.pi * {}))"
DECAY = "def get_lr(self):\n    return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]\n\n"
ADAM = "Adam(model.parameters(), lr={})"

CORPUS = (
    # nothing is scheduled
    _factor("kit", "1", "never-moves"),
    _factor("half-the-rate", "0.5", "never-moves"),
    _factor("milestone-never-reached", "0.1 ** (t // 50000)", "never-moves"),
    _factor("floor-above-all", "max(1.0, 0.99 ** t)", "never-moves"),
    _of("step-counts-only", DECAY + "def step(self, epoch=None):\n    self.last_epoch += 1", "idle-step"),
    _of("step-does-nothing", DECAY + "def step(self, epoch=None):\n    pass", "idle-step"),
    _of("step-keeps-a-history",
        "history = []\n\n" + DECAY + "def step(self, epoch=None):\n    self.history.append(self.last_epoch)", "idle-step"),
    _of("counter-of-its-own",
        "def __init__(self, optimizer, last_epoch=-1):\n    self.now = last_epoch\n    super().__init__(optimizer, last_epoch)\n\n"
        "def get_lr(self):\n    return [base_lr * (1 + math.cos(math.pi * self.now / 980)) / 2 for base_lr in self.base_lrs]\n\n"
        "def step(self, epoch=None):\n    super().step(epoch)", "never-moves"),
    # a rate that moves, in ways that look idle
    _of("step-writes-rates",
        "def get_lr(self):\n    return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]\n\n"
        "def step(self, epoch=None):\n    self.last_epoch += 1\n"
        "    for group, lr in zip(self.optimizer.param_groups, self.get_lr()):\n        group['lr'] = lr"),
    _of("step-counts-and-delegates",
        "def __init__(self, optimizer, last_epoch=-1):\n    self.n = 0\n    super().__init__(optimizer, last_epoch)\n\n"
        "def get_lr(self):\n    return [base_lr / (1 + 0.01 * self.n) for base_lr in self.base_lrs]\n\n"
        "def step(self, epoch=None):\n    self.n += 1\n    super().step(epoch)"),
    _of("momentum-moves",
        "def get_lr(self):\n    for group in self.optimizer.param_groups:\n"
        "        group['momentum'] = 0.95 - 0.1 * (self.last_epoch % 400) / 400\n    return list(self.base_lrs)",
        optimizer="SGD(model.parameters(), lr=0.1, momentum=0.9)"),
    _of("step-count-of-torch", "def get_lr(self):\n    return [base_lr / (1 + 0.001 * self._step_count) for base_lr in self.base_lrs]"),
    _of("from-the-last-rate",
        "def get_lr(self):\n    if self.last_epoch == 0:\n        return list(self.base_lrs)\n"
        "    return [group['lr'] * 0.998 for group in self.optimizer.param_groups]"),
    # useful at any length
    _factor("inverse-time", "1 / (1 + 0.01 * t)"),
    _factor("inverse-square-root", "1 / math.sqrt(1 + t)"),
    _factor("logarithmic", "1 / math.log(t + math.e)"),
    _factor("noam", "min((t + 1) / 100, math.sqrt(100 / (t + 1)))"),
    _factor("slow-exponential", "0.999 ** t"),
    _factor("exponential", "0.99 ** t"),
    _factor("exponential-by-epochs", "0.8 ** (t // 98)"),
    _factor("halved-every-epoch", "0.5 ** (t // 98)"),
    _factor("steps-of-300", "0.1 ** (t // 300)"),
    _factor("seventy-percent-per-epoch", "0.7 ** (t // 98)"),
    _factor("cosine-of-a-long-training", COS.format("min(t, 4900) / 4900")),
    _factor("cosine-that-ends-early", COS.format("min(t, 700) / 700")),
    _factor("knee-to-a-third", "1 if t < 500 else 0.3"),
    _factor("warmup-then-constant", "min(1.0, (t + 1) / 100)"),
    _with("warmup-of-five-steps", "warmup_steps=5", "", "min(1.0, (t + 1) / self.warmup_steps)"),
    _factor("rising", "(t + 1) / 980"),
    _factor("jitter", "random.Random(t).uniform(0.95, 1.05) / (1 + 0.01 * t)"),
    _factor("hold-then-exponential", "1 if t < 400 else 0.995 ** (t - 400)"),
    _factor("long-one-cycle", "min((t + 1) / 2000, max(0.0, (7820 - t) / 5820))"),
    # ends with this very training
    _factor("cosine-to-the-end", COS.format("min(t, 980) / 980"), "tied-to-a-length"),
    _factor("cosine-to-the-last-step", COS.format("min(t, 979) / 979"), "tied-to-a-length"),
    _factor("cosine-with-a-floor", "0.02 + 0.98 * " + COS.format("min(t, 980) / 980"), "tied-to-a-length"),
    _factor("cosine-without-an-end", COS.format("t / 980"), "tied-to-a-length"),
    _factor("linear", "max(0.0, 1 - t / 980)", "tied-to-a-length"),
    _factor("linear-with-a-floor", "max(0.05, 1 - t / 980)", "tied-to-a-length"),
    _factor("square-root", "max(0.0, 1 - t / 980) ** 0.5", "tied-to-a-length"),
    _factor("quadratic", "max(0.0, 1 - t / 980) ** 2", "tied-to-a-length"),
    _factor("steps-at-half-and-three-quarters", "0.1 ** sum(t >= m for m in (490, 735))", "tied-to-a-length"),
    _with("milestones-in-epochs", "milestones=(5, 8)", "    epoch = t // 98\n",
          "0.1 ** sum(epoch >= m for m in self.milestones)", "tied-to-a-length"),
    _factor("one-cycle", "(t + 1) / 294 if t < 294 else max(0.0, (980 - t) / 686)", "tied-to-a-length"),
    _with("warmup-then-cosine", "warmup=98, total=980", "", "(t + 1) / self.warmup if t < self.warmup else "
          + COS.format("min(1.0, (t - self.warmup) / (self.total - self.warmup))"), "tied-to-a-length"),
    _factor("sigmoid", "1 / (1 + math.exp((t - 560) / 60))", "tied-to-a-length"),
    _factor("bump", "math.exp(-(((t - 490) / 180) ** 2))", "tied-to-a-length"),
    _factor("knee-to-a-tenth", "1 if t < 600 else 0.1", "tied-to-a-length"),
    _factor("trapezoid", "min((t + 1) / 98, 1.0, max(0.0, (980 - t) / 300))", "tied-to-a-length"),
    _factor("ripples-on-a-cosine", "0.01 * math.sin(t) + 0.02 + " + COS.format("min(t, 980) / 980"), "tied-to-a-length"),
    _factor("adamw-cosine", COS.format("min(t, 980) / 980"), "tied-to-a-length", optimizer="AdamW(model.parameters(), lr=3e-4)"),
    # runs on beyond its own end
    _factor("cosine-of-700-unclamped", COS.format("t / 700"), "rises-again"),
    _factor("cosine-of-600-unclamped", "0.01 + 0.99 * " + COS.format("t / 600"), "rises-again"),
    _factor("cosine-of-490-unclamped", COS.format("t / 490"), "rises-again"),
    _factor("cosine-of-326-unclamped", COS.format("t / 326"), "rises-again"),
    _factor("parabola", "((t - 500) / 500) ** 2", "rises-again"),
    # comes back on purpose
    _with("restarts-every-epoch", "period=98", "", COS.format("(t % self.period) / self.period")),
    _with("two-restarts", "t_0=490", "", COS.format("(t % self.t_0) / self.t_0")),
    _of("sgdr",
        "def get_lr(self):\n    t, length = self.last_epoch, 140\n    while t >= length:\n        t, length = t - length, 2 * length\n"
        "    return [base_lr * (1 + math.cos(math.pi * t / length)) / 2 for base_lr in self.base_lrs]"),
    _factor("triangles", "0.02 + 0.98 * abs(1 - (t / 200) % 2)"),
    _with("triangular2", "step_size=150", "    cycle = math.floor(1 + t / (2 * self.step_size))\n",
          "0.05 + 0.95 * max(0, 1 - abs(t / self.step_size - 2 * cycle + 1)) / 2 ** (cycle - 1)"),
    _factor("sine", "0.6 + 0.4 * math.sin(t / 30)"),
    _factor("rectified-cosine", "0.02 + 0.98 * abs(math.cos(math.pi * t / 490))"),
    _with("listed-restarts", "starts=(0, 300, 600)", "    begun = max(s for s in self.starts if s <= t)\n",
          COS.format("min(1.0, (t - begun) / 380)")),
    _factor("sawtooth", "1 - (t % 245) / 250"),
    _factor("decaying-restarts", "0.7 ** (t // 196) * " + COS.format("(t % 196) / 196")),
    # counts epochs where batches are counted
    _with("cosine-of-epochs", "num_epochs=10", "", COS.format("t / self.num_epochs"), "restarts-every-few-batches"),
    _factor("cosine-of-20", COS.format("t / 20"), "restarts-every-few-batches"),
    _with("restarts-of-epochs", "t_0=10", "", COS.format("(t % self.t_0) / self.t_0"), "restarts-every-few-batches"),
    _factor("fast-sine", "0.6 + 0.4 * math.sin(t / 3)", "restarts-every-few-batches"),
    _with("triangles-of-epochs", "half=4", "", "0.1 + 0.9 * abs(1 - (t / self.half) % 2)", "restarts-every-few-batches"),
    _factor("clamped-cosine-of-epochs", "0.01 + 0.99 * " + COS.format("min(t, 10) / 10"), "settles-early"),
    _factor("linear-of-epochs", "max(0.001, 1 - t / 10)", "settles-early"),
    _factor("milestones-of-epochs", "0.1 ** sum(t >= m for m in (3, 6, 8))", "settles-early"),
    _factor("thirty-epochs", "0.1 ** (t // 30)", "settles-early"),
    _factor("exponential-of-epochs", "0.9 ** t", "settles-early"),
    _factor("halved-every-batch", "0.5 ** t", "settles-early"),
    _of("chained-exponential-of-epochs",
        "def get_lr(self):\n    if self.last_epoch == 0:\n        return list(self.base_lrs)\n"
        "    return [group['lr'] * 0.9 for group in self.optimizer.param_groups]", "settles-early"),
    _with("warmup-of-epochs", "warmup_epochs=5", "", "min(1.0, (t + 1) / self.warmup_epochs)", "settles-early"),
    _with("polynomial-of-epochs", "max_epochs=10, power=0.9", "",
          "0.001 + max(0.0, 1 - t / self.max_epochs) ** self.power", "settles-early"),
    # breaks in a longer training
    _of("raises-at-its-end",
        "def get_lr(self):\n    if self.last_epoch > 980:\n        raise ValueError('called too often')\n"
        "    return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]", "breaks-beyond"),
    _of("table",
        "table = [1 / (1 + 0.01 * n) for n in range(981)]\n\n"
        "def get_lr(self):\n    return [base_lr * self.table[self.last_epoch] for base_lr in self.base_lrs]", "breaks-beyond"),
    _factor("negative-beyond", "1 - t / 1000", "breaks-beyond", "tied-to-a-length"),
    _factor("complex-beyond", "(1 - t / 981) ** 0.5", "breaks-beyond", "tied-to-a-length"),
    _of("asserts",
        "def get_lr(self):\n    assert self.last_epoch < 1500\n"
        "    return [base_lr / math.sqrt(1 + self.last_epoch) for base_lr in self.base_lrs]", "breaks-beyond"),
    _factor("logarithm-beyond", "math.log(1200 - t) / 8", "breaks-beyond"),
    _factor("steps-by-a-list", "(1, 0.5, 0.25, 0.12)[t // 300]", "breaks-beyond"),
    # rates that do not train
    _factor("five", "50 / (1 + 0.01 * t)", "implausible-peak"),
    _factor("adam-at-a-half", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer=ADAM.format(0.5)),
    _factor("sgd-asleep", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer="SGD(model.parameters(), lr=1e-6)"),
    _factor("rmsprop-at-a-third", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer="RMSprop(model.parameters(), lr=0.3)"),
    _factor("adam", "1 / (1 + 0.01 * t)", optimizer=ADAM.format(1e-3)),
    _factor("sgd-at-one", "1 / (1 + 0.01 * t)", optimizer="SGD(model.parameters(), lr=1.0)"),
    # costs
    _of("sums-up-the-past",
        "def get_lr(self):\n    total = 0.0\n    for n in range(40 * self.last_epoch):\n        total += 1 / (1 + n)\n"
        "    return [base_lr / (1 + total) for base_lr in self.base_lrs]", "growing-cost"),
    _of("multiplies-the-past",
        "def get_lr(self):\n    factor = 1.0\n    for n in range(self.last_epoch):\n        for _ in range(80):\n"
        "            factor *= 1 - 1e-5\n    return [base_lr * factor for base_lr in self.base_lrs]", "growing-cost"),
    _of("keeps-and-scans-a-list",
        "def __init__(self, optimizer, last_epoch=-1):\n    self.seen = []\n    super().__init__(optimizer, last_epoch)\n\n"
        "def get_lr(self):\n    self.seen += [self.last_epoch] * 40\n    distinct = sum(1 for n in self.seen if n % 2)\n"
        "    return [base_lr / (1 + 1e-4 * distinct) for base_lr in self.base_lrs]", "growing-cost"),
    _of("a-loop-of-its-own",
        "def get_lr(self):\n    total = 0.0\n    for n in range(500):\n        total += 1 / (1 + n)\n"
        "    return [base_lr / (1 + 1e-3 * total * self.last_epoch) for base_lr in self.base_lrs]"),
    # other types
    _of("numpy",
        "def get_lr(self):\n    import numpy\n    return list(numpy.array(self.base_lrs) / (1 + 0.01 * self.last_epoch))", "not-floats"),
    _of("tensor",
        "def get_lr(self):\n    import torch\n    return [torch.tensor(lr) / (1 + 0.01 * self.last_epoch) for lr in self.base_lrs]",
        "not-floats"),
    _of("numpy-as-floats",
        "def get_lr(self):\n    import numpy\n    return (numpy.array(self.base_lrs) / (1 + 0.01 * self.last_epoch)).tolist()"),
    # what everybody was taught, without a source
    _factor("uncited-cosine", COS.format("min(t, 980) / 980"), "tied-to-a-length", "known-formula", cited=False),
    _factor("uncited-steps", "0.5 ** (t // 300)", "known-formula", cited=False),
    _factor("uncited-warmup", "min(1.0, t / 100)", "known-formula", cited=False),
    _factor("uncited-exponential", "0.999 ** t", "known-formula", cited=False),
    _factor("own-formula", "1 / (1 + 0.01 * t) + 0.02 * math.sin(t / 100)", cited=False),
    # two classes, or a class of a class
    Schedule("decoy", HEAD + "class Other:\n    def get_lr(self):\n        return []\n\n\nclass CustomLRScheduler(_LRScheduler):\n"
             "    def get_lr(self):\n        return list(self.base_lrs)\n", frozenset({"never-moves"})),
    Schedule("inherited", HEAD + "class Base(_LRScheduler):\n    def get_lr(self):\n"
             "        return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]\n\n\n"
             "class CustomLRScheduler(Base):\n    pass\n", frozenset()),
)  # fmt: skip

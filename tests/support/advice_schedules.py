"""Schedules with the advice that is expected on them, for CIFAR-10 in batches of 512 and 10 epochs: 980 steps."""

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


#: Half a cosine wave of its argument, from 1 to 0.
COS = "0.5 * (1 + math.cos(math.pi * {}))"


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


def of_body(name: str, body: str, *expected: str, **more: object) -> Schedule:
    """A schedule from the methods of its class."""
    lines = [
        "class CustomLRScheduler(_LRScheduler):",
        *(f"    {line}".rstrip() for line in body.strip("\n").split("\n")),
    ]
    return Schedule(name, HEAD + "\n".join(lines) + "\n", frozenset(expected), **more)  # type: ignore[arg-type]


def of_factor(name: str, expression: str, *expected: str, **more: object) -> Schedule:
    """A schedule from a factor, in which `t` is the step."""
    body = "def get_lr(self):\n    t = self.last_epoch\n    return [base_lr * ({}) for base_lr in self.base_lrs]"
    return of_body(name, body.format(expression), *expected, **more)


def of_arguments(name: str, arguments: str, before: str, expression: str, *expected: str, **more: object) -> Schedule:
    """A schedule whose constructor has `arguments` and keeps them, and `before` of get_lr()."""
    names = re.findall(r"(\w+)=", arguments)
    kept = "\n".join(f"    self.{one} = {one}" for one in names)
    body = (
        f"def __init__(self, optimizer, {arguments}, last_epoch=-1):\n{kept}\n"
        "    super().__init__(optimizer, last_epoch)\n\n"
        f"def get_lr(self):\n    t = self.last_epoch\n{before}"
        f"    return [base_lr * ({expression}) for base_lr in self.base_lrs]"
    )
    return of_body(name, body, *expected, **more)

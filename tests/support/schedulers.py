"""Schedulers in the styles that public code has, each written by us: class, constructor's arguments, optimizer."""

from __future__ import annotations

from textwrap import dedent
from typing import NamedTuple

from grader.submissions.loader import Submission
from support.submissions import make

SGD = "torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)"
ADAM = "torch.optim.Adam(model.parameters(), lr=2e-3)"
ADAMW = "torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)"
TWO = (
    "torch.optim.SGD([{'params': [p for n, p in model.named_parameters() if 'weight' in n], 'weight_decay': 1e-3},"
    " {'params': [p for n, p in model.named_parameters() if 'weight' not in n], 'lr': 0.1}], lr=0.02, momentum=0.8)"
)
LAYERS = "torch.optim.Adam([{'params': [p], 'lr': 1e-3 * 0.9**i} for i, p in enumerate(model.parameters())])"
HEAD = """
import bisect
import math
from collections import Counter

import numpy as np
import torch
from torch.optim.lr_scheduler import _LRScheduler, LRScheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
"""
CONFIG = """
import torch
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor

HELD = []


class CONFIG:
    batch_size = 16
    num_epochs = 3
    lrs_kwargs = {kwargs}

    def optimizer_factory(model):
        return {optimizer}

    transforms = Compose([{transforms}])
"""
PLAIN, FLIPS = "ToTensor(), Normalize(0.5, 0.5)", "RandomHorizontalFlip(), RandomCrop(32, padding=2), ToTensor()"


class Style(NamedTuple):
    """One scheduler, as text."""

    body: str
    kwargs: str = "{}"
    optimizer: str = SGD
    transforms: str = PLAIN

    @property
    def submission(self) -> Submission:
        """As it would be handed in."""
        config = CONFIG.format(kwargs=self.kwargs, optimizer=self.optimizer, transforms=self.transforms)
        return make(scheduler=HEAD + "\n\n" + dedent(self.body), config=config)


def formula(expression: str, before: str = "pass") -> str:
    """A scheduler whose every rate is an expression of t (the step) and b (the base rate)."""
    return f"""
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        t = self.last_epoch
        {before}
        return [{expression} for b in self.base_lrs]
"""


def chained(expression: str) -> str:
    """One whose every rate is computed from the last one, g["lr"]."""
    return f"""
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        if self.last_epoch == 0:
            return list(self.base_lrs)
        return [{expression} for g in self.optimizer.param_groups]
"""


def stepping(body: str, init: str = "pass") -> str:
    """One that overrides step() and sets settings of the groups itself; t counts."""
    return f"""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, **options):
        self.t = 0
        {init}
        super().__init__(optimizer)

    def get_lr(self):
        return [g["lr"] for g in self.optimizer.param_groups]

    def step(self, epoch=None):
        self.t += 1
        t = self.t
        for i, g in enumerate(self.optimizer.param_groups):
            {body}
"""


FORMULAS = {
    "constant": formula("b"),
    "step": formula("b * 0.5 ** (t // 13)"),
    "multi step": formula("b * 0.3 ** bisect.bisect_right([7, 19, 31], t)"),
    "multi step, Counter": formula("b * 0.5 ** sum(n for m, n in Counter([5, 5, 20]).items() if m <= t)"),
    "exponential": formula("b * 0.97 ** t"),
    "exponential, math.exp": formula("b * math.exp(-0.05 * t)"),
    "cosine": formula("b * 0.5 * (1 + math.cos(math.pi * t / 39))"),
    "cosine with a floor": formula("1e-4 + (b - 1e-4) * 0.5 * (1 + math.cos(math.pi * min(t, 30) / 30))"),
    "cosine, numpy": formula("float(b * 0.5 * (1 + np.cos(np.pi * t / 39)))"),
    "cosine, numpy scalars": formula("b * 0.5 * (1 + np.cos(np.pi * t / 39))"),
    "warm restarts": formula("b * 0.5 * (1 + math.cos(math.pi * (t % 10) / 10))"),
    "restarts, doubled": formula("b * 0.5 * (1 + math.cos(math.pi * (t - s) / p))",
                                 "s, p = next((s, p) for s, p in ((21, 28), (7, 14), (0, 7)) if t >= s)"),
    "linear": formula("b * max(0.0, 1 - t / 39)"),
    "polynomial": formula("b * (1 - min(t, 39) / 40) ** 0.9"),
    "square root": formula("b * (1 - min(t, 39) / 40) ** 0.5"),
    "inverse square root": formula("b * min((t + 1) ** -0.5, (t + 1) * 5 ** -1.5)"),
    "noam": formula("b * 64 ** -0.5 * min((t + 1) ** -0.5, (t + 1) * 10 ** -1.5)"),
    "inverse time": formula("b / (1 + 0.1 * t)"),
    "warmup, then constant": formula("b * min(1.0, (t + 1) / 8)"),
    "warmup and cosine": formula("b * ((t + 1) / 8 if t < 8 else 0.5 * (1 + math.cos(math.pi * (t - 8) / 31)))"),
    "warmup and linear": formula("b * (t / 8 if t < 8 else max(0.0, (39 - t) / 31))"),
    "triangular": formula("1e-3 + (b - 1e-3) * max(0, 1 - abs(t / 6 - 2 * math.floor(1 + t / 12) + 1))"),
    "triangular2": formula("b * max(0, 1 - abs(t / 6 - 2 * math.floor(1 + t / 12) + 1)) / 2 ** (t // 12)"),
    "one cycle": formula("b * (0.1 + 0.9 * t / 15 if t < 15 else max(0.0, 1 - (t - 15) / 24))"),
    "trapezoid (WSD)": formula("b * min(1.0, (t + 1) / 5, max(0.0, (39 - t) / 10))"),
    "REX": formula("b * (1 - t / 40) / (0.5 + 0.5 * (1 - t / 40))", "t = min(t, 39)"),
    "tri-stage": formula("b * (t / 6 if t < 6 else 1.0 if t < 20 else 0.01 ** ((t - 20) / 19))"),
    "k-decay": formula("b * (1 - (min(t, 39) / 39) ** 2.5)"),
    "logistic": formula("b / (1 + math.exp(0.3 * (t - 20)))"),
    "sine waves": formula("b * (1.1 + math.sin(t / 3)) / 2"),
    "Fibonacci steps": formula("b * 0.7 ** sum(t >= f for f in (1, 2, 3, 5, 8, 13, 21, 34))"),
    "by epoch": formula("b * 0.5 ** (t // 13)", "t = t // 13 * 13"),
    "zero at times": formula("0.0 if t % 5 == 0 else b"),
    "table": formula("[b, b / 2, b / 4, b / 8][min(t // 10, 3)]"),
    "pseudo-random of its own": formula("b * ((t * 7919) % 101) / 101"),
    "seeded generator of its own": formula("b * __import__('random').Random(t).random()"),
    "chained exponential": chained('g["lr"] * 0.97'),
    "chained step": chained('g["lr"] * (0.5 if self.last_epoch % 11 == 0 else 1.0)'),
    "chained cosine": chained('g["lr"] * (1 + math.cos(math.pi * self.last_epoch / 60)) / '
                              '(1 + math.cos(math.pi * (self.last_epoch - 1) / 60))'),
    "chained linear": chained('max(0.0, g["lr"] - 0.001)'),
}  # fmt: skip
STEPPING = {
    "sets rates in step()": stepping('g["lr"] = 0.05 * 0.96**t'),
    "momentum cycle": stepping('g["lr"] = 0.02; g["momentum"] = 0.85 + 0.1 * abs(math.sin(t / 5))'),
    "weight decay schedule": stepping('g["weight_decay"] = 1e-2 * t / 39'),
    "rate and weight decay": stepping('g["lr"] *= 0.97; g["weight_decay"] = 0.1 * g["lr"]'),
    "rate in a tensor": stepping('g["lr"] = float(torch.tensor(0.05) * 0.9 ** (t / 4))'),
    "counts epochs": stepping('g["lr"] = 0.05 * 0.5 ** (t // 13)'),
    "momentum falls": stepping('g["momentum"] = max(0.0, 0.9 - 0.02 * t)'),
}
ADAMS = {
    "betas move": stepping('g["betas"] = (0.8 + 0.01 * (t % 10), 0.99)'),
    "eps moves": stepping('g["eps"] = 1e-8 * (1 + t)'),
    "weight decay follows the rate": stepping('g["lr"] *= 0.98; g["weight_decay"] = 10 * g["lr"]'),
}
CLASSES = {
    "arguments and a closed form": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, gamma, every=5, last_epoch=-1):
        self.gamma, self.every = gamma, every
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [b * self.gamma ** (self.last_epoch // self.every) for b in self.base_lrs]

    def _get_closed_form_lr(self):
        return self.get_lr()
""", "{'gamma': 0.7, 'every': 4}"),
    "warmup wrapper around a function": Style("""
def cosine(t, total):
    return 0.5 * (1 + math.cos(math.pi * t / total))


class CustomLRScheduler(LRScheduler):
    def __init__(self, optimizer, warmup, total, after=cosine):
        self.warmup, self.total, self.after = warmup, total, after
        super().__init__(optimizer)

    def get_lr(self):
        t = self.last_epoch
        if t < self.warmup:
            return [b * (t + 1) / self.warmup for b in self.base_lrs]
        return [b * self.after(min(t - self.warmup, self.total), self.total) for b in self.base_lrs]
""", "{'warmup': 6, 'total': 33}"),
    "sequential, by hand": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, parts):
        self.parts = parts
        super().__init__(optimizer)

    def get_lr(self):
        t = self.last_epoch
        for length, rule in self.parts:
            if t < length:
                break
            t -= length
        return [b * rule(min(t, length)) for b in self.base_lrs]
""", "{'parts': [(10, lambda t: (t + 1) / 10), (15, lambda t: 1.0), (20, lambda t: 1 - t / 20)]}"),
    "generator": Style("""
def rates(base):
    factor = 1.0
    while True:
        yield base * factor
        factor *= 0.95


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        self.streams = [rates(g["lr"]) for g in optimizer.param_groups]
        super().__init__(optimizer)

    def get_lr(self):
        return [next(stream) for stream in self.streams]
"""),
    "rates per group": Style("""
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [b * (0.9 if i else 0.98) ** self.last_epoch for i, b in enumerate(self.base_lrs)]
""", optimizer=TWO),
    "layer-wise rates": Style("""
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        n = len(self.base_lrs)
        return [b * 0.8 ** (n - i) * (1 + self.last_epoch) ** -0.5 for i, b in enumerate(self.base_lrs)]
""", optimizer=LAYERS),
    "tensor rate of the optimizer": Style(formula("b * 0.97 ** t"),
        optimizer="torch.optim.SGD(model.parameters(), lr=torch.tensor(0.05), momentum=0.9)"),
    "tensor rate, filled": Style(stepping('g["lr"].fill_(0.05 * 0.97**t)'),
        optimizer="torch.optim.Adam(model.parameters(), lr=torch.tensor(0.002))"),
    "adds a group": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, late):
        optimizer.add_param_group({"params": late, "lr": 0.01, "momentum": 0.5})
        super().__init__(optimizer)

    def get_lr(self):
        return [b * 0.99 ** self.last_epoch for b in self.base_lrs]
""", "{'late': HELD}",
        "HELD.extend(list(model.parameters())[:2]) or "
        "torch.optim.SGD(list(model.parameters())[2:], lr=0.05, momentum=0.9)"),
    "moves parameters between groups": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        first, second = optimizer.param_groups
        second["params"].append(first["params"].pop())
        super().__init__(optimizer)

    def get_lr(self):
        return [b * 0.97 ** self.last_epoch for b in self.base_lrs]
""", optimizer=TWO),
    "replaces the groups": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        group = optimizer.param_groups[0]
        rest = {k: v for k, v in group.items() if k != "params"}
        half = len(group["params"]) // 2
        optimizer.param_groups = [
            dict(rest, params=group["params"][half:], lr=0.02), dict(rest, params=group["params"][:half]),
        ]
        super().__init__(optimizer)

    def get_lr(self):
        return [b * 0.97 ** self.last_epoch for b in self.base_lrs]
"""),
    "reverses the groups": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        optimizer.param_groups.reverse()
        super().__init__(optimizer)

    def get_lr(self):
        return [b * (0.9, 0.99)[i] ** self.last_epoch for i, b in enumerate(self.base_lrs)]
""", optimizer=TWO),
    "freezes at the start": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        for p in optimizer.param_groups[0]["params"][:4]:
            p.requires_grad_(False)
        super().__init__(optimizer)

    def get_lr(self):
        return [b * 0.97 ** self.last_epoch for b in self.base_lrs]
"""),
    "drops parameters from training": Style("""
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer):
        del optimizer.param_groups[0]["params"][:2]
        super().__init__(optimizer)

    def get_lr(self):
        return list(self.base_lrs)
"""),
    "averages in tensors of its own": Style("""
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [b * 0.97 ** self.last_epoch for b in self.base_lrs]

    def step(self, epoch=None):
        super().step()
        params = [p for g in self.optimizer.param_groups for p in g["params"]]
        if not hasattr(self, "average"):
            self.average = [p.detach().clone() for p in params]
        for a, p in zip(self.average, params):
            a.mul_(0.9).add_(p.data, alpha=0.1)
"""),
    "zeroes gradients that are used up": Style("""
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [b * 0.97 ** self.last_epoch for b in self.base_lrs]

    def step(self, epoch=None):
        super().step()
        self.optimizer.zero_grad()
"""),
    **{
        f"other optimizers: {name}": Style(
            formula("b * 0.97 ** t"), optimizer=f"torch.optim.{name}(model.parameters(), lr={lr})"
        )
        for name, lr in (("RMSprop", 1e-3), ("Adagrad", 1e-2), ("NAdam", 1e-3), ("Adamax", 1e-3), ("RAdam", 1e-3),
                         ("Adadelta", 1.0), ("ASGD", 1e-2), ("Rprop", 1e-3))
    },
    "nesterov and flips": Style(formula("b * 0.97 ** t"), transforms=FLIPS,
        optimizer="torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-3)"),
}  # fmt: skip
STYLES: dict[str, Style] = {
    **{name: Style(body, optimizer=(SGD, ADAM, ADAMW, TWO)[n % 4]) for n, (name, body) in enumerate(FORMULAS.items())},
    **{name: Style(body) for name, body in STEPPING.items()},
    **{name: Style(body, optimizer=(ADAM, ADAMW)[n % 2]) for n, (name, body) in enumerate(ADAMS.items())},
    **CLASSES,
}

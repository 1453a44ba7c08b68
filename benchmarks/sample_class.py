"""Twenty recipes like those that a class hands in, for the benchmarks."""

import math
from typing import Any

from grader.core.recipe import Optimizer, ParameterGroup, Recipe, Series, Setting, TransformCall, steps_per_epoch
from grader.core.task import TaskFacts

_V1 = "torchvision.transforms."
NORMALIZED = (
    TransformCall(transform=_V1 + "ToTensor"),
    TransformCall(transform=_V1 + "Normalize", arguments={"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}),
)
_FLIP = TransformCall(transform=_V1 + "RandomHorizontalFlip", arguments={"p": 0.5})
_CROP = TransformCall(transform=_V1 + "RandomCrop", arguments={"size": 32, "padding": 4})
_PIPELINES = {
    "none": NORMALIZED,
    "flip": (_FLIP, *NORMALIZED),
    "crop": (_CROP, *NORMALIZED),
    "crop+flip": (_CROP, _FLIP, *NORMALIZED),
}
MOMENTUM = {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}
_SGD: tuple[Optimizer, dict[str, Setting]] = (Optimizer.SGD, {**MOMENTUM})
_DECAYED: tuple[Optimizer, dict[str, Setting]] = (Optimizer.SGD, {**MOMENTUM, "weight_decay": 5e-4, "nesterov": True})
_ADAM: tuple[Optimizer, dict[str, Setting]] = (
    Optimizer.ADAM,
    {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
)
_ADAMW: tuple[Optimizer, dict[str, Setting]] = (
    Optimizer.ADAMW,
    {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2},
)

#: batch size, optimizer, initial learning rate, schedule, random transforms
_CLASS = (
    (32, _SGD, 0.005, "cosine", "none"),
    (32, _ADAM, 0.001, "constant", "crop+flip"),
    (64, _ADAM, 0.001, "constant", "none"),
    (64, _ADAM, 0.001, "cosine", "none"),
    (64, _ADAM, 0.001, "cosine", "flip"),
    (64, _ADAM, 0.002, "step", "crop+flip"),
    (64, _ADAMW, 0.001, "linear", "crop+flip"),
    (64, _SGD, 0.01, "constant", "none"),
    (64, _SGD, 0.01, "cosine", "flip"),
    (64, _SGD, 0.02, "step", "none"),
    (64, _DECAYED, 0.01, "linear", "none"),
    (100, _ADAM, 0.001, "linear", "flip"),
    (128, _ADAM, 0.001, "cosine", "none"),
    (128, _ADAM, 0.002, "cosine", "crop"),
    (128, _SGD, 0.02, "linear", "flip"),
    (128, _SGD, 0.02, "step", "none"),
    (128, _DECAYED, 0.03, "cosine", "crop+flip"),
    (128, _ADAMW, 0.002, "linear", "none"),
    (256, _ADAM, 0.002, "cosine", "crop+flip"),
    (256, _SGD, 0.05, "cosine", "none"),
)
#: The share of the initial rate at a share of the training.
SHARE = {
    "constant": lambda t: 1.0,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "linear": lambda t: 1 - t,
    "step": lambda t: 0.1 ** ((t >= 0.5) + (t >= 0.75)),
}


def series(values: list[float]) -> Series[float]:
    """Values of every step, run-length encoded."""
    runs: list[list[Any]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return Series[float](values=tuple(v for v, _ in runs), counts=tuple(n for _, n in runs))


def recipes(facts: TaskFacts, epochs: int) -> list[Recipe]:
    """The class for a task, `epochs` epochs each: half of it with random flips or crops."""
    names = tuple(p.name for p in facts.trainable)
    made = []
    for batch_size, (optimizer, settings), lr, schedule, pipeline in _CLASS:
        steps = epochs * steps_per_epoch(facts.n_train, batch_size)
        rates = series([lr * SHARE[schedule](step / steps) for step in range(steps)])
        others: dict[str, Series[Setting]] = {
            name: Series(values=(value,), counts=(steps,)) for name, value in settings.items()
        }
        made.append(
            Recipe(
                optimizer=optimizer,
                groups=(ParameterGroup(parameters=names, lr=rates, others=others),),
                frozen=(),
                batch_size=batch_size,
                epochs=epochs,
                transforms=_PIPELINES[pipeline],
            )
        )
    return made

"""Three trainings of LeNet on the embedded images, printed as JSON: what `test_golden` holds to the bit.

Run as a script, in a process of its own, since the environment decides which instructions the kernels use.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from grader.core.recipe import Optimizer, ParameterGroup, Recipe, Series, TransformCall
from grader.core.task_file import load
from grader.training import data, loop
from grader.training.device import kind_of

_STEPS = 23  # batches of 64 in the 1,438 training images
_V1 = "torchvision.transforms."
_TO_TENSOR = TransformCall(transform=f"{_V1}ToTensor")
_NORMALIZE = TransformCall(transform=f"{_V1}Normalize", arguments={"mean": (0.5,), "std": (0.5,)})
_CONVOLUTIONS = tuple(f"conv{n}.{part}" for n in (1, 2) for part in ("weight", "bias"))
_LINEAR = tuple(f"fc{n}.{part}" for n in (1, 2, 3) for part in ("weight", "bias"))


def _group(parameters: tuple[str, ...], rates: list[float], **others: Any) -> ParameterGroup:
    settings = {name: Series(values=(value,), counts=(len(rates),)) for name, value in others.items()}
    return ParameterGroup(
        parameters=parameters, lr=Series(values=tuple(rates), counts=(1,) * len(rates)), others=settings
    )


def _recipe(optimizer: Optimizer, groups: tuple[ParameterGroup, ...], transforms: tuple[TransformCall, ...]) -> Recipe:
    return Recipe(
        optimizer=optimizer, groups=groups, frozen=(), batch_size=64, epochs=groups[0].lr.steps // _STEPS,
        transforms=transforms,
    )  # fmt: skip


def recipes() -> dict[str, Recipe]:
    """SGD with momentum and flips; Adam with two groups; a transform that goes image by image."""
    flip = TransformCall(transform=f"{_V1}RandomHorizontalFlip")
    jpeg = TransformCall(transform=f"{_V1}GaussianBlur", arguments={"kernel_size": 3})
    cosine = [0.05 * (1 + math.cos(math.pi * step / (2 * _STEPS))) for step in range(2 * _STEPS)]
    linear = [0.002 * (1 - step / (2 * _STEPS)) for step in range(2 * _STEPS)]
    short = [0.05 * 0.97**step for step in range(_STEPS)]
    return {
        "sgd-flips": _recipe(
            Optimizer.SGD,
            (_group((*_CONVOLUTIONS, *_LINEAR), cosine, momentum=0.9, weight_decay=5e-4),),
            (flip, _TO_TENSOR, _NORMALIZE),
        ),
        "adam-two-groups": _recipe(
            Optimizer.ADAM,
            (_group(_CONVOLUTIONS, linear), _group(_LINEAR, [rate / 2 for rate in linear])),
            (_TO_TENSOR, _NORMALIZE),
        ),
        "image-by-image": _recipe(
            Optimizer.SGD,
            (_group((*_CONVOLUTIONS, *_LINEAR), short, momentum=0.9),),
            (jpeg, _TO_TENSOR, _NORMALIZE),
        ),
    }


def main() -> None:
    """Train each once, with seed 0."""
    cpu = torch.device("cpu")
    loop.prepare_process(cpu)
    task = load(str(Path(__file__).parents[1] / "fixtures/tasks/lenet.toml"))
    digits = data.load(task)
    found: dict[str, object] = {}
    for name, recipe in recipes().items():
        run = loop.train(recipe, task, digits, 0, cpu, 600)
        found[name] = {
            "verdict": run.verdict,
            "accuracies": [record.accuracy for record in run.epochs],
            "losses": [record.parts for record in run.epochs],
        }
    json.dump({"kind": kind_of(cpu), "runs": found}, sys.stdout)


if __name__ == "__main__":
    main()

"""Recipes for the tests of the trainer."""

from __future__ import annotations

import json
from typing import Any

import torch

from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.training.context import TrainingContext
from grader.training.data import ImageData
from support.submissions import CONFIG, Compile, make

CPU = torch.device("cpu")


def with_transforms(compiled: Compile, text: str) -> Recipe:
    config = CONFIG.replace("[ToTensor(), Normalize(0.5, 0.5)]", text).replace(
        "import Normalize, ToTensor", "import *\nfrom torchvision.transforms import v2"
    )
    result = compiled(make(config=config))
    assert result.recipe is not None, result.violations
    return result.recipe


def bent(recipe: Recipe, **changes: Any) -> Recipe:
    return Recipe.model_validate_json(json.dumps({**recipe.model_dump(mode="json"), **changes}))


def context_of(task: Task, images: ImageData) -> TrainingContext:
    """What the trainings of a task share, on the CPU."""
    return TrainingContext.of(task, len(images.train), CPU)

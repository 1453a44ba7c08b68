"""The loop that students run: DataLoader, PIL images, transforms sample by sample, one training after the other."""

import random
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.training import models, optimizers
from grader.training.data import ImageData
from grader.training.splits import Split
from grader.training.transforms import build, evaluated


@dataclass
class Plain:
    """What one training with the plain loop gave."""

    accuracy: float
    seconds: float


class _Images(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, split: Split, transforms: list[Any]) -> None:
        self.split, self.transforms = split, transforms

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        value: Any = Image.fromarray(np.ascontiguousarray(self.split.images[index]))
        for transform in self.transforms:
            value = transform(value)
        return value, int(self.split.labels[index])


def train(recipe: Recipe, task: Task, data: ImageData, seed: int, device: torch.device, workers: int) -> Plain:
    """Train as a student's main.py does, with torch's own defaults; test after every epoch."""
    random.seed(seed)
    model = models.build(task, data.classes, seed).to(device)
    optimizer = optimizers.build(recipe, model)
    schedule = optimizers.Schedule(recipe, optimizer)
    loss_function = nn.CrossEntropyLoss()
    train_set = _Images(data.train, [build(call) for call in recipe.transforms])
    test_set = _Images(data.test, [build(call) for call in evaluated(recipe.transforms)])
    options: dict[str, Any] = {"num_workers": workers, "pin_memory": device.type == "cuda"}
    train_loader = DataLoader(train_set, recipe.batch_size, shuffle=True, **options)
    test_loader = DataLoader(test_set, recipe.batch_size, **options)
    started = time.perf_counter()
    accuracy = 0.0
    for _ in range(recipe.epochs):
        model.train()
        total = 0.0
        for images, labels in train_loader:
            images, labels = images.to(device), labels.to(device)
            schedule.apply()
            optimizer.zero_grad()
            loss = loss_function(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in test_loader:
                right += int((model(images.to(device)).argmax(1) == labels.to(device)).sum())
        accuracy = right / len(test_set)
    return Plain(accuracy, time.perf_counter() - started)

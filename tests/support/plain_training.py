"""The assignment's training loop, plainly: a submission's own optimizer and scheduler on a real model and real images.

What the trainer makes of a recipe must be what this makes of the code. Both get the same initial weights, the same
batches and the same kernels, so their weights must be equal to the bit.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.submissions.loader import Submission
from grader.training import cpu_kernels, loop, models
from grader.training.context import TrainingContext
from grader.training.data import ImageData
from grader.training.optimizers import _FUSED
from grader.training.splits import Split
from grader.training.transforms import Pipeline

CPU = torch.device("cpu")
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Bench:
    """A task with few images."""

    task: Task
    data: ImageData


def few_images(data: ImageData, n_train: int = 200) -> ImageData:
    """The same data set with few training images, the last batch of which is smaller."""
    train = Split(data.train.images[:n_train].copy(), data.train.labels[:n_train].copy())
    test = Split(data.test.images[:50].copy(), data.test.labels[:50].copy())
    return ImageData(train, test, data.classes, data.hash)


def _modules(submission: Submission) -> tuple[ModuleType, ModuleType]:
    """scheduler.py and config.py, run here: they are our own."""
    made = []
    for name in ("scheduler", "config"):
        module = ModuleType(name)
        sys.modules[name] = module
        exec(compile(submission.files[f"{name}.py"].decode(), f"{name}.py", "exec"), module.__dict__)
        made.append(module)
    return made[0], made[1]


def plain_weights(submission: Submission, recipe: Recipe, bench: Bench, seed: int = 0) -> Weights:
    """Weights after the loop that anybody would write. Of `recipe` only transforms and lengths are taken."""
    loop.prepare_process(CPU)
    task, data = bench.task, bench.data
    context = TrainingContext.of(task, len(data.train), CPU)
    model = models.build(task, data.classes, seed).to(memory_format=context.layout)
    try:
        scheduler_module, config_module = _modules(submission)
        config = config_module.CONFIG
        optimizer = config.optimizer_factory(model)
        scheduler = scheduler_module.CustomLRScheduler(optimizer, **config.lrs_kwargs)
    finally:
        sys.modules.pop("scheduler", None)
        sys.modules.pop("config", None)
    cpu_kernels.suit_cpu(model)  # after the factory, which may ask for the exact class of a layer
    pipeline = Pipeline(recipe, data.train, context)
    labels = torch.from_numpy(data.train.labels)
    torch.manual_seed(seed)
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        order = loop.epoch_order(len(data.train), seed, epoch)
        draws = torch.Generator().manual_seed((seed << 20) + (1 << 19) + epoch)
        targets = torch.split(labels[order], recipe.batch_size)
        for images, target in zip(pipeline.batches(order, recipe.batch_size, draws), targets, strict=True):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images.contiguous(memory_format=context.layout)), target)
            loss.backward()
            _same_kernels(optimizer, recipe)
            optimizer.step()
            scheduler.step()
    return _weights(model)


def _same_kernels(optimizer: Any, recipe: Recipe) -> None:
    """The update that the trainer takes: one kernel for all parameters, where every one has a gradient."""
    if recipe.optimizer not in _FUSED["cpu"]:
        return
    whole = all(p.grad is not None for group in optimizer.param_groups for p in group["params"])
    for group in optimizer.param_groups:
        group["fused"], group["foreach"] = whole, None if whole else group.get("foreach")


def replayed_weights(recipe: Recipe, bench: Bench, seed: int = 0) -> Weights:
    """Weights after the trainer's replay of the recipe."""
    loop.prepare_process(CPU)
    training = loop._Training(recipe, bench.task, bench.data, seed, CPU, 600.0)
    training.run(lambda _: None)
    return _weights(training._model)


def _weights(model: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def differing(a: Weights, b: Weights) -> list[str]:
    """Names of the weights that are not the same bits (what is no number equals itself here)."""
    return [name for name in a if not torch.equal(a[name].nan_to_num(7.0), b[name].nan_to_num(7.0))]


def in_a_child(work: Callable[[], Weights]) -> Weights | str:
    """What `work` gives, or its error as text, in a process of its own: what it changes globally stays there."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def run() -> None:
        try:
            theirs.send({name: value.numpy() for name, value in work().items()})
        except Exception as error:
            theirs.send(f"{type(error).__name__}: {error}")

    child = context.Process(target=run)
    child.start()
    answer = ours.recv()
    child.join()
    return answer if isinstance(answer, str) else {name: torch.from_numpy(value) for name, value in answer.items()}

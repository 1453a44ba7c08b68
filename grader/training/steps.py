"""The optimisation steps of one epoch, driven from the host or left to the device."""

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from grader.core.recipe import Recipe
from grader.training import optimizers
from grader.training.context import TrainingContext
from grader.training.cuda_graph import ResidentSteps, fits
from grader.training.deadline import Deadline, Pace


class Steps(Protocol):
    """One training's model, optimizer and schedule, epoch after epoch."""

    def epoch(self, batches: Iterable[Tensor], labels: Tensor, deadline: Deadline) -> Tensor | None:
        """Train on the batches (B, C, H, W), whose labels (N,) follow each other; every step's loss, summed
        over its images.

        None if `deadline` passed. Nothing waits for the device in every step.
        """


def steps_for(recipe: Recipe, model: nn.Module, context: TrainingContext, *, repeatable: bool) -> Steps:
    """The fastest steps for this recipe on this device. Depends on nothing else, so that results are reproducible.

    `repeatable` says that every step of the model runs the same operations (`Task.cuda_graph`).
    """

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        with context.arithmetic():
            return functional.cross_entropy(model(images), labels)

    if repeatable and fits(recipe, context):
        return ResidentSteps(recipe, model, loss, context)
    return HostSteps(recipe, model, loss, context)


class HostSteps:
    """The plain loop: the host picks the batch, sets the rate and starts every kernel."""

    def __init__(
        self, recipe: Recipe, model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], context: TrainingContext
    ) -> None:
        self._loss, self._device, self._layout = loss, context.device, context.layout
        self._optimizer = optimizers.build(recipe, model, quick=True)
        self._schedule = optimizers.Schedule(recipe, self._optimizer)
        self._parameters = list(model.parameters())
        self._trained = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]

    def _plain_update(self) -> None:
        """A model of a task's own may leave parameters out of a step, which torch's fused SGD cannot have."""
        for group in self._optimizer.param_groups:
            group["fused"] = False
        self._trained = []

    def epoch(self, batches: Iterable[Tensor], labels: Tensor, deadline: Deadline) -> Tensor | None:
        """See `Steps`."""
        pace = Pace(deadline, self._device)
        losses = []
        start = 0
        for batch in batches:
            if pace.late():
                return None
            self._schedule.apply()
            loss = self._loss(batch.contiguous(memory_format=self._layout), labels[start : start + len(batch)])
            for parameter in self._parameters:  # zero_grad takes 50 us for the same
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]
            if any(parameter.grad is None for parameter in self._trained):
                self._plain_update()
            self._optimizer.step()
            losses.append(loss.detach() * len(batch))
            start += len(batch)
        return torch.stack(losses)

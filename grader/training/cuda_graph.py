"""Training steps as a CUDA graph: no Python, no transfer and no synchronisation per step.

The epoch's transformed images, the learning rates of all steps and a step counter lie on the
device. One step, from picking its batch to the optimizer's update, is captured once as a CUDA graph
and then replayed. Without a GPU the very same step runs eagerly, which is how the tests hold it to
the plain loop.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from grader.core.recipe import Recipe, steps_per_epoch
from grader.training import optimizers
from grader.training.context import TrainingContext
from grader.training.deadline import Deadline, Pace

_WARM_STEPS = 3  # torch.cuda.graphs: kernels choose and allocate their workspace in the first ones
_SHARE = 0.1  # of the device's memory that an epoch's images may take
Loss = Callable[[Tensor, Tensor], Tensor]


def fits(recipe: Recipe, context: TrainingContext) -> bool:
    """Whether this recipe can be trained so: capturable, and an epoch's images (float32) are a part of the memory.

    Asks for the device's whole memory, not for what is free: else the way, and with it the last bits,
    would depend on what runs beside.
    """
    if context.device.type != "cuda" or not optimizers.capturable(recipe) or context.n_train < recipe.batch_size:
        return False
    total = torch.cuda.get_device_properties(context.device).total_memory
    return 4 * math.prod(context.shape) * context.n_train < _SHARE * total


class ResidentSteps:
    """The steps of one training (`grader.training.steps.Steps`)."""

    def __init__(self, recipe: Recipe, model: nn.Module, loss: Loss, context: TrainingContext) -> None:
        device, n_train = context.device, context.n_train
        self._loss, self._size, self._n = loss, recipe.batch_size, n_train
        self._device, self._layout = device, context.layout
        self._rates = [torch.zeros((), device=device) for _ in recipe.groups]
        table = [torch.tensor(list(group.lr.expand()), dtype=torch.float64) for group in recipe.groups]
        self._table = torch.stack(table).to(torch.float32).to(device)
        self._optimizer = optimizers.build(recipe, model, quick=True, rates=self._rates)
        channels, height, width = context.shape
        self._images = torch.zeros(n_train, height, width, channels, device=device)
        self._targets = torch.zeros(n_train, dtype=torch.int64, device=device)
        self._step = torch.zeros(1, dtype=torch.int64, device=device)  # of the training
        self._first = torch.zeros(1, dtype=torch.int64, device=device)  # image of the next batch, in the epoch
        self._losses = torch.zeros(steps_per_epoch(n_train, self._size), device=device)  # per step of the epoch
        self._graph: torch.cuda.CUDAGraph | None = None
        self._done = 0

    def epoch(self, batches: Iterable[Tensor], labels: Tensor, deadline: Deadline) -> Tensor | None:
        """As `Steps.epoch` says: fill the epoch's images, then run its steps."""
        start = 0
        for batch in batches:
            if deadline.passed():
                return None
            self._images[start : start + len(batch)].copy_(batch.permute(0, 2, 3, 1))
            start += len(batch)
        self._targets.copy_(labels)
        self._first.zero_()
        pace = Pace(deadline, self._device)
        for first in range(0, self._n, self._size):
            if pace.late():
                return None
            self._run(min(self._size, self._n - first))
        return self._losses.clone()

    def _run(self, size: int) -> None:
        """The next step, on `size` images (the last batch of an epoch may be smaller)."""
        if self._device.type != "cuda" or size != self._size:
            self._body(size)
        elif self._graph is not None:
            self._graph.replay()
        elif self._done < _WARM_STEPS:
            self._warm()
        else:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._body(size)
            self._graph.replay()  # capturing runs nothing

    def _warm(self) -> None:
        """One of the first steps, eagerly on a stream of its own, as capture asks for."""
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            self._body(self._size)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        self._done += 1

    def _body(self, size: int) -> None:
        places = self._first + torch.arange(size, device=self._device)
        batch = self._images.index_select(0, places).permute(0, 3, 1, 2).contiguous(memory_format=self._layout)
        now = self._table.index_select(1, self._step)[:, 0]
        for number, rate in enumerate(self._rates):
            rate.copy_(now[number])
        loss = self._loss(batch, self._targets.index_select(0, places))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._losses.index_copy_(0, self._first // self._size, (loss.detach() * size)[None])
        self._step += 1
        self._first += size

"""The training: recipe, task, data and seed in, accuracy out. Knows nothing of submissions."""

import ctypes
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from grader.core.errors import TaskError
from grader.core.image_bits import ImageBits
from grader.core.recipe import Recipe, steps_per_epoch
from grader.core.runs import EPOCH_PARTS, EpochRecord, SeedRun
from grader.core.task import Task, public_count
from grader.core.verdict import Verdict
from grader.training import cpu_kernels, models
from grader.training.context import TrainingContext
from grader.training.data import ImageData
from grader.training.deadline import Deadline
from grader.training.device import kind_of
from grader.training.steps import steps_for
from grader.training.transforms import Pipeline, held_out

_EVALUATION_BATCH = {"cpu": 100, "cuda": 2000}  # on the CPU, what stays in its cache
_SPLIT_SEED = 0x5EED
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
OnEpoch = Callable[[EpochRecord], None]


def prepare_process(device: torch.device) -> None:
    """Make this process's arithmetic repeatable: deterministic kernels, one thread on the CPU.

    One thread, because the split of a sum over threads changes its last bits; several trainings
    side by side use the other cores.
    """
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a help in debugging that costs every allocation
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if device.type == "cpu":
        torch.set_num_threads(1)
        _keep_memory()


def _keep_memory() -> None:
    """Let glibc keep freed memory: every step allocates the same megabytes, and returning them costs page faults.

    With channels-last images, a step of LeNet on a batch of 128 takes 10.1 ms instead of 16.5 (benchmarks/step.py).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, size in ((_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 64 << 20), (_M_MMAP_THRESHOLD, 1 << 30)):
            mallopt(parameter, size)


def _helpers(device: torch.device) -> int:
    """Processes that transform image by image while a GPU trains; on the CPU there is no core to spare."""
    return 0 if device.type == "cpu" else max(1, min(8, (os.cpu_count() or 2) - 1))


def epoch_order(n_train: int, seed: int, epoch: int) -> Tensor:
    """The order of the training images, the same for every recipe with this seed (a paired comparison)."""
    return torch.randperm(n_train, generator=torch.Generator().manual_seed((seed << 20) + epoch))


def train(  # noqa: PLR0913
    recipe: Recipe,
    task: Task,
    data: ImageData,
    seed: int,
    device: torch.device,
    budget_s: float,
    on_epoch: OnEpoch = lambda _: None,
    *,
    augmented: bool = False,
) -> SeedRun:
    """One training with the held-out accuracy after every epoch.

    `augmented` measures the trained model once more, on the held-out images with the recipe's random transforms; this
    takes none of the budget.

    The verdict is ok, diverged (the loss left the finite numbers; the accuracy stands) or timeout (after `budget_s`
    seconds, as `grader.training.deadline` counts them; no accuracy). Raises RejectedError if the transforms cannot
    be used. Same recipe, task, data, seed and device kind: the same accuracy, to the bit.
    """
    training = _Training(recipe, task, data, seed, device, budget_s)
    run = training.run(on_epoch)
    if augmented and run.verdict is Verdict.OK and any(call.is_random for call in recipe.transforms):
        run = run.model_copy(update={"augmented": training.augmented()})
    return run


class _Training:
    """The state of one training."""

    def __init__(
        self, recipe: Recipe, task: Task, data: ImageData, seed: int, device: torch.device, budget_s: float
    ) -> None:
        self._started = time.monotonic()
        self._budget_s, self._deadline = budget_s, Deadline(budget_s, device)
        self._recipe, self._task, self._data, self._seed = recipe, task, data, seed
        self._context = context = TrainingContext.of(task, len(data.train), device)
        self._pipeline = Pipeline(recipe, data.train, context, helpers=_helpers(device))
        self._targets = data.train.on(device).labels
        self._model = models.build(task, data.classes, seed).to(device).to(memory_format=context.layout)
        if device.type == "cpu":
            cpu_kernels.suit_cpu(self._model)
        repeatable = task.cuda_graph or ":" not in task.model
        self._steps = steps_for(recipe, self._model, context, repeatable=repeatable)
        self._rates = list(recipe.groups[0].lr.expand())
        self._records: list[EpochRecord] = []
        self._final: float | None = None
        self._right: Tensor | None = None

    def run(self, on_epoch: OnEpoch) -> SeedRun:
        """All epochs."""
        torch.manual_seed(self._seed)  # dropout
        random.seed(self._seed)  # a model of the task's own may draw from these
        np.random.seed(self._seed)
        epochs = self._recipe.epochs
        for epoch in range(1, epochs + 1):
            record = self._epoch(epoch)
            if record is None:
                return self._result(Verdict.TIMEOUT, f"ran out of time in epoch {epoch} of {epochs}")
            self._records.append(record)
            on_epoch(record)
            if record.train_loss is None and not all(bool(torch.isfinite(p).all()) for p in self._model.parameters()):
                break  # weights that are not numbers stay so: every later epoch would score the same
            if epoch < epochs and self._deadline.passed():
                return self._result(Verdict.TIMEOUT, f"ran out of time after epoch {epoch} of {epochs}")
        first = next((record.epoch for record in self._records if record.train_loss is None), None)
        if first is not None:
            return self._result(Verdict.DIVERGED, f"the loss left the finite numbers in epoch {first} of {epochs}")
        return self._result(Verdict.OK)

    def _epoch(self, epoch: int) -> EpochRecord | None:
        """Train for one epoch and evaluate; None if the time was up before its end."""
        recipe, n_train, device = self._recipe, self._context.n_train, self._context.device
        self._model.train()
        order = epoch_order(n_train, self._seed, epoch)
        draws = torch.Generator().manual_seed((self._seed << 20) + (1 << 19) + epoch)
        batches = self._pipeline.batches(order, recipe.batch_size, draws)
        labels = self._targets.index_select(0, order.to(device))
        losses = self._steps.epoch(batches, labels, self._deadline)
        if losses is None:
            return None
        accuracy, self._final = self._accuracy()
        return EpochRecord(
            epoch=epoch,
            train_loss=_mean(losses, n_train),
            parts=_parts(losses, recipe.batch_size, n_train),
            accuracy=accuracy,
            lr=self._rates[epoch * steps_per_epoch(n_train, recipe.batch_size) - 1],
        )

    @torch.no_grad()
    def _accuracy(self) -> tuple[float, float | None]:
        """Accuracy on the held-out images that the board shows, and on the others where there are some."""
        context, test = self._context, self._data.test
        hits = self._hits(held_out(self._recipe, test, context, _EVALUATION_BATCH[context.device.type]))
        shown = shown_part(len(test), self._task)
        self._right = hits[shown]
        count = int(shown.sum())
        final = int(hits[~shown].sum()) / (len(hits) - count) if count < len(hits) else None
        return int(hits[shown].sum()) / count, final

    @torch.no_grad()
    def augmented(self) -> float:
        """Accuracy on the images that the board shows with the random transforms, the same draws for every recipe."""
        context, test = self._context, self._data.test
        pipeline = Pipeline(self._recipe, test, context, helpers=_helpers(context.device))
        draws = torch.Generator().manual_seed((self._seed << 20) + (1 << 19))  # epochs count from 1
        size = _EVALUATION_BATCH[context.device.type]
        hits = self._hits(pipeline.batches(torch.arange(len(test)), size, draws))
        return float(hits[shown_part(len(test), self._task)].double().mean())

    def _hits(self, batches: Iterator[Tensor]) -> Tensor:
        """Which of the held-out images the model classifies correctly, given all of them in order. Bools [n_test]."""
        self._model.eval()
        context = self._context
        labels = torch.split(self._data.test.on(context.device).labels, _EVALUATION_BATCH[context.device.type])
        right = []
        for images, expected in zip(batches, labels, strict=True):
            with context.arithmetic():
                logits = self._model(images.contiguous(memory_format=context.layout))
            right.append(logits.argmax(1) == expected)
        return torch.cat(right).cpu()

    def _result(self, verdict: Verdict, detail: str = "") -> SeedRun:
        finished = verdict is not Verdict.TIMEOUT
        right = self._right if finished else None
        return SeedRun(
            seed=self._seed,
            verdict=verdict,
            accuracy=self._records[-1].accuracy if finished else None,
            seconds=round(time.monotonic() - self._started, 3),
            epochs=tuple(self._records),
            detail=detail,
            device=kind_of(self._context.device),
            transforms=self._pipeline.mode,
            final=self._final if finished else None,
            balanced=_balanced(right, self._shown_labels()) if right is not None else None,
            right=ImageBits.of(right.numpy()) if right is not None else None,
            limit_s=self._budget_s,
            certain=finished or self._deadline.certain,
        )

    def _shown_labels(self) -> Tensor:
        """The labels of the held-out images that the board's accuracy is of."""
        test = self._data.test
        return test.on(torch.device("cpu")).labels[shown_part(len(test), self._task)]


def _balanced(right: Tensor, labels: Tensor) -> float:
    """The mean over the classes that occur of the accuracy on their images (balanced accuracy; Brodersen et al., 2010).

    `right` and `labels` are of the same images, [N].
    """
    images = torch.bincount(labels)
    hits = torch.bincount(labels, weights=right.double())
    there = images > 0
    return float((hits[there] / images[there]).mean())


def _mean(losses: Tensor, images: int) -> float | None:
    mean = float(losses.sum()) / images
    return mean if math.isfinite(mean) else None


def _parts(losses: Tensor, batch_size: int, n_train: int) -> tuple[float | None, ...]:
    """The mean loss over up to ten equal parts of the epoch's steps."""
    means, done = [], 0
    for part in torch.tensor_split(losses.cpu(), min(EPOCH_PARTS, len(losses))):
        images = min(batch_size * len(part), n_train - done)
        means.append(_mean(part, images))
        done += images
    return tuple(means)


def rehearse(task: Task, data: ImageData, device: torch.device) -> None:
    """Two steps on a few images, as trainings make them: raises where the task itself, and no recipe, is at fault."""
    context = TrainingContext.of(task, len(data.train), device)
    model = models.build(task, data.classes, seed=0).to(device).to(memory_format=context.layout)
    if device.type == "cpu":
        cpu_kernels.suit_cpu(model)
    few = min(8, len(data.train))
    images = torch.from_numpy(data.train.images[:few].copy()).permute(0, 3, 1, 2).to(device, torch.float32).div(255)
    labels = torch.from_numpy(data.train.labels[:few]).to(device)
    for _ in range(2):
        with context.arithmetic():
            logits = model(images.clone(memory_format=context.layout))
        if not isinstance(logits, Tensor) or logits.shape != (few, data.classes):
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise TaskError(f"task {task.name}: the model gives {got} for {few} images of {data.classes} classes")
        nn.functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]


def shown_part(n_test: int, task: Task) -> Tensor:
    """Which held-out images the board's accuracy is of: the same for everybody and always. Bools [n_test].

    Views of an image are all shown, or none.
    """
    views = max(1, task.data.views)
    shown = torch.zeros(n_test // views, dtype=torch.bool)
    order = torch.randperm(n_test // views, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    shown[order[: public_count(n_test, task.ranking.public_share, views) // views]] = True
    return shown.repeat(views)

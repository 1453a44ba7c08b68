"""The training: recipe, task, data and seed in, accuracy out. Knows nothing of submissions."""

import ctypes
import math
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from grader.core.errors import TaskError
from grader.core.recipe import Recipe, steps_per_epoch
from grader.core.runs import EPOCH_PARTS, EpochRecord, SeedRun
from grader.core.task import Precision, Task, public_count
from grader.core.verdict import Verdict
from grader.training import cpu_kernels, models
from grader.training.data import ImageData
from grader.training.steps import steps_for
from grader.training.transforms import Pipeline, held_out

_EVALUATION_BATCH = {"cpu": 100, "cuda": 2000}  # on the CPU, what stays in its cache
_SPLIT_SEED = 0x5EED
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
OnEpoch = Callable[[EpochRecord], None]


def device_kind(device: torch.device) -> str:
    """What decides the bits of a result: "cpu", or the GPU's model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


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

    With `_layout`, a step of LeNet on a batch of 128 takes 10.1 ms instead of 16.5 (benchmarks/step.py).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, size in ((_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 64 << 20), (_M_MMAP_THRESHOLD, 1 << 30)):
            mallopt(parameter, size)


def _layout(task: Task, device: torch.device) -> torch.memory_format:
    """Channels last suits the CPU's convolutions, and a GPU's in 16 bits."""
    quick = device.type == "cpu" or task.precision is Precision.BFLOAT16
    return torch.channels_last if quick else torch.contiguous_format


def _helpers(device: torch.device) -> int:
    """Processes that transform image by image while a GPU trains; on the CPU there is no core to spare."""
    return 0 if device.type == "cpu" else max(1, min(8, (os.cpu_count() or 2) - 1))


def epoch_order(n_train: int, seed: int, epoch: int) -> Tensor:
    """The order of the training images, the same for every recipe with this seed (a paired comparison)."""
    return torch.randperm(n_train, generator=torch.Generator().manual_seed((seed << 20) + epoch))


def train(
    recipe: Recipe,
    task: Task,
    data: ImageData,
    seed: int,
    device: torch.device,
    budget_s: float,
    on_epoch: OnEpoch = lambda _: None,
) -> SeedRun:
    """One training with the held-out accuracy after every epoch.

    The verdict is ok, diverged (the loss left the finite numbers; the accuracy stands) or timeout
    (after `budget_s` seconds of wall time; no accuracy). Raises RejectedError where the transforms
    cannot be used. Same recipe, task, data, seed and device kind: the same accuracy, to the bit.
    """
    started = time.monotonic()
    deadline = started + budget_s
    pipeline = Pipeline(recipe, data.train, task.image, device, helpers=_helpers(device))
    layout = _layout(task, device)
    targets = data.train.on(device).labels
    model = models.build(task, data.classes, seed).to(device).to(memory_format=layout)
    if device.type == "cpu":
        cpu_kernels.suit_cpu(model)
    steps = steps_for(
        recipe,
        model,
        partial(_arithmetic, task, device),
        task.image,
        len(data.train),
        device,
        layout,
        repeatable=task.cuda_graph or ":" not in task.model,
    )
    torch.manual_seed(seed)  # dropout
    random.seed(seed)  # a model of the task's own may draw from these
    np.random.seed(seed)
    records: list[EpochRecord] = []
    diverged = False
    final: float | None = None

    def result(verdict: Verdict, detail: str = "") -> SeedRun:
        finished = verdict is not Verdict.TIMEOUT and bool(records)
        return SeedRun(
            seed=seed,
            verdict=verdict,
            accuracy=records[-1].accuracy if finished else None,
            seconds=round(time.monotonic() - started, 3),
            epochs=tuple(records),
            detail=detail,
            device=device_kind(device),
            transforms=pipeline.mode,
            final=final if finished else None,
        )

    rates = list(recipe.groups[0].lr.expand())
    per_epoch = steps_per_epoch(len(data.train), recipe.batch_size)
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        order = epoch_order(len(data.train), seed, epoch)
        draws = torch.Generator().manual_seed((seed << 20) + (1 << 19) + epoch)
        batches = pipeline.batches(order, recipe.batch_size, draws)
        labels = targets.index_select(0, order.to(device))
        losses = steps.epoch(batches, labels, deadline)
        if losses is None:
            return result(Verdict.TIMEOUT, f"ran out of time in epoch {epoch} of {recipe.epochs}")
        accuracy, final = _accuracy(model, recipe, task, data, device, layout)
        record = EpochRecord(
            epoch=epoch,
            train_loss=_mean(losses, len(data.train)),
            parts=_parts(losses, recipe.batch_size, len(data.train)),
            accuracy=accuracy,
            lr=rates[epoch * per_epoch - 1],
        )
        records.append(record)
        on_epoch(record)
        if record.train_loss is None:
            diverged = True
            if not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
                break  # weights that are not numbers stay so: every later epoch would score the same
        if time.monotonic() > deadline and epoch < recipe.epochs:
            return result(Verdict.TIMEOUT, f"ran out of time after epoch {epoch} of {recipe.epochs}")
    if diverged:
        first = next(r.epoch for r in records if r.train_loss is None)
        return result(Verdict.DIVERGED, f"the loss left the finite numbers in epoch {first} of {recipe.epochs}")
    return result(Verdict.OK)


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
    layout = _layout(task, device)
    model = models.build(task, data.classes, seed=0).to(device).to(memory_format=layout)
    if device.type == "cpu":
        cpu_kernels.suit_cpu(model)
    few = min(8, len(data.train))
    images = torch.from_numpy(data.train.images[:few].copy()).permute(0, 3, 1, 2).to(device, torch.float32).div(255)
    labels = torch.from_numpy(data.train.labels[:few]).to(device)
    for _ in range(2):
        with _arithmetic(task, device):
            logits = model(images.clone(memory_format=layout))
        if not isinstance(logits, Tensor) or logits.shape != (few, data.classes):
            got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise TaskError(f"task {task.name}: the model gives {got} for {few} images of {data.classes} classes")
        nn.functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]


def _arithmetic(task: Task, device: torch.device) -> AbstractContextManager[object]:
    if task.precision is Precision.BFLOAT16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def shown_part(n_test: int, share: float) -> Tensor:
    """Which held-out images the board's accuracy is of: the same for everybody and always. Bools [n_test]."""
    shown = torch.zeros(n_test, dtype=torch.bool)
    order = torch.randperm(n_test, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    shown[order[: public_count(n_test, share)]] = True
    return shown


@torch.no_grad()
def _accuracy(
    model: nn.Module, recipe: Recipe, task: Task, data: ImageData, device: torch.device, layout: torch.memory_format
) -> tuple[float, float | None]:
    """Accuracy on the held-out images that the board shows, and on the others where there are some."""
    model.eval()
    size = _EVALUATION_BATCH[device.type]
    labels = torch.split(data.test.on(device).labels, size)
    right = []
    for images, expected in zip(held_out(recipe, data.test, task.image, device, size), labels, strict=True):
        with _arithmetic(task, device):
            right.append(model(images.contiguous(memory_format=layout)).argmax(1) == expected)
    hits, shown = torch.cat(right).cpu(), shown_part(len(data.test), task.ranking.public_share)
    count = int(shown.sum())
    final = int(hits[~shown].sum()) / (len(hits) - count) if count < len(hits) else None
    return int(hits[shown].sum()) / count, final

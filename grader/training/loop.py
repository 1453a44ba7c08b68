"""The training: recipe, task, data and seed in, accuracy out. Knows nothing of submissions."""

import ctypes
import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from grader.errors import TaskError
from grader.recipe import Recipe
from grader.result import EpochRecord, SeedRun, Verdict
from grader.task import Precision, Task
from grader.training import models, optimizers
from grader.training.data import ImageData
from grader.training.transforms import Pipeline, held_out

_EVALUATION_BATCH = 1000
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


def _layout(device: torch.device) -> torch.memory_format:
    """Channels last suits the CPU's convolutions."""
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


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
    pipeline = Pipeline(recipe, data.train.images, task.image, device)
    layout = _layout(device)
    images = held_out(recipe, data.test, device).contiguous(memory_format=layout)
    labels = data.test_labels(device)
    targets = torch.from_numpy(data.train.labels).to(device)
    model = models.build(task, data.classes, seed).to(device).to(memory_format=layout)
    optimizer = optimizers.build(recipe, model)
    schedule = optimizers.Schedule(recipe, optimizer)
    draws = torch.Generator().manual_seed((seed << 20) + (1 << 19))
    torch.manual_seed(seed)  # dropout
    records: list[EpochRecord] = []
    diverged = False

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
        )

    for epoch in range(1, recipe.epochs + 1):
        model.train()
        total = torch.zeros((), device=device)
        order = epoch_order(len(data.train), seed, epoch)
        for indices in torch.split(order, recipe.batch_size):
            if time.monotonic() > deadline:
                return result(Verdict.TIMEOUT, f"ran out of time in epoch {epoch} of {recipe.epochs}")
            batch = pipeline.batch(indices, draws).contiguous(memory_format=layout)
            schedule.apply()
            with _arithmetic(task, device):
                loss = nn.functional.cross_entropy(model(batch), targets[indices.to(device)])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(indices)
        mean = float(total) / len(data.train)
        record = EpochRecord(
            epoch=epoch,
            train_loss=mean if math.isfinite(mean) else None,
            accuracy=_accuracy(model, images, labels, task, device),
            lr=schedule.lr,
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


def rehearse(task: Task, data: ImageData, device: torch.device) -> None:
    """One plain step on a few images: raises where the task itself, and no recipe, is at fault."""
    model = models.build(task, data.classes, seed=0).to(device)
    few = min(8, len(data.train))
    images = torch.from_numpy(data.train.images[:few].copy()).permute(0, 3, 1, 2).to(device, torch.float32).div(255)
    logits = model(images)
    if not isinstance(logits, Tensor) or logits.shape != (few, data.classes):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise TaskError(f"task {task.name}: the model gives {got} for {few} images of {data.classes} classes")
    nn.functional.cross_entropy(logits, torch.from_numpy(data.train.labels[:few]).to(device)).backward()  # type: ignore[no-untyped-call]


def _arithmetic(task: Task, device: torch.device) -> AbstractContextManager[object]:
    if task.precision is Precision.BFLOAT16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@torch.no_grad()
def _accuracy(model: nn.Module, images: Tensor, labels: Tensor, task: Task, device: torch.device) -> float:
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    for batch, expected in zip(
        torch.split(images, _EVALUATION_BATCH), torch.split(labels, _EVALUATION_BATCH), strict=True
    ):
        with _arithmetic(task, device):
            right += (model(batch).argmax(1) == expected).sum()
    return int(right) / len(labels)

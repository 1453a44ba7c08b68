"""The input pipeline of a recipe: training batches with its transforms, held-out images without the random ones.

Which of three ways a recipe's transforms go (`TransformMode`) is said in the submission's log.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from grader.core.recipe import Argument, DType, EnumMember, Recipe, SmallTensor, TransformCall, canonical
from grader.core.runs import TransformMode
from grader.core.text import clean
from grader.core.verdict import RejectedError, Rule, Violation
from grader.training.batched.base import BatchTransform
from grader.training.batched.compiler import compile_calls
from grader.training.context import TrainingContext
from grader.training.splits import Bytes, Split

_NO_IMAGE_RESULT = frozenset({"FiveCrop", "TenCrop", "Lambda", "Compose"})
_CHECKED_IMAGES = 8

Transform = Callable[[Any], Any]


def evaluated(calls: tuple[TransformCall, ...]) -> list[TransformCall]:
    """The pipeline of evaluation: without random transforms, with the output sizes of the random crops."""
    result = []
    for call in calls:
        name = call.name
        size = call.arguments.get("size")
        if name == "RandomCrop":
            result.append(_sized(call, "CenterCrop", size))
        elif name == "RandomResizedCrop":
            square = (size, size) if isinstance(size, int) else tuple(size or ()) * (2 if len(size or ()) == 1 else 1)
            result.append(_sized(call, "Resize", square))
        elif not call.is_random:
            result.append(call)
    return result


def _sized(call: TransformCall, name: str, size: Argument) -> TransformCall:
    """Another transform of the same module, with that size."""
    return TransformCall(transform=f"{call.transform.rpartition('.')[0]}.{name}", arguments={"size": size})


def build(call: TransformCall) -> Transform:
    """The torchvision object that a call stands for. Raises RejectedError."""
    module_name, _, name = call.transform.rpartition(".")
    module = _module(module_name)
    kind = getattr(module, name, None)
    if not isinstance(kind, type) or not kind.__module__.startswith("torchvision.transforms") or name == "Lambda":
        raise _rejected(f"{call.transform} is not a transform that the trainer's torchvision ships")
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for key, value in call.arguments.items():
        if key.startswith("*"):
            positional += list(_value(value, module))
        else:
            named[key] = _value(value, module)
    try:
        return kind(*positional, **named)  # type: ignore[no-any-return]
    except Exception as error:
        raise _rejected(f"{call.transform} cannot be built: {type(error).__name__}: {error}") from None


def _module(name: str) -> Any:
    if name == "torchvision.transforms.v2":
        import torchvision.transforms.v2

        return torchvision.transforms.v2
    import torchvision.transforms

    return torchvision.transforms


def _rejected(what: str) -> RejectedError:
    what = clean(what)[:1000]
    fix = "run the pipeline on one image: it must give a float tensor of the image's shape, in training and evaluation"
    return RejectedError([Violation(rule=Rule.TRANSFORMS, file="config.py", what=f"transforms: {what}", fix=fix)])


def _value(value: Argument, module: Any) -> Any:
    match value:
        case TransformCall():
            return build(value)
        case EnumMember():
            import torchvision.transforms as v1

            kind = getattr(v1, value.enum, None)
            member = getattr(kind, "__members__", {}).get(value.member)
            if member is None:
                raise _rejected(f"there is no {value.enum}.{value.member} in torchvision")
            return member
        case DType():
            return _dtype(value.dtype)
        case SmallTensor():
            return torch.tensor(_value(value.tensor, module), dtype=_dtype(value.of))
        case tuple():
            return [_value(v, module) for v in value]
    return value


def _dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise _rejected(f"torch has no type {name}")
    return dtype


class Pipeline:
    """A recipe's transforms on the images of a split: float32 batches (B, C, H, W) on the device, channels last.

    Raises RejectedError if the transforms do not give float tensors of the image's shape.
    `helpers` processes go image by image, where that is the only way; 0 does it in this process.
    """

    def __init__(self, recipe: Recipe, split: Split, context: TrainingContext, helpers: int = 0) -> None:
        self._split, self._shape, self._device, self._helpers = split, context.shape, context.device, helpers
        self._calls = recipe.transforms
        self._check(evaluated(self._calls), "in evaluation, without chance,")
        self._check(self._calls, "in training")
        self._steps = compile_calls(self._calls, context.shape)
        if self._steps is not None:
            self.mode = TransformMode.BATCHED
        elif any(call.is_random for call in self._calls):
            self.mode = TransformMode.PER_IMAGE
        else:
            self.mode = TransformMode.ONCE

    def batches(self, order: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """The images at `order`, batch after batch; `generator` (CPU) makes every draw."""
        match self.mode:
            case TransformMode.BATCHED:
                assert self._steps is not None
                return _batched(self._split, self._steps, order, batch_size, generator, self._device)
            case TransformMode.ONCE:
                images = _transformed_once(self._split, self._calls, self._device)
                return (_select(images, part.to(self._device)) for part in torch.split(order, batch_size))
            case TransformMode.PER_IMAGE:
                parts = torch.split(order, batch_size)
                seeds = torch.randint(1 << 62, (len(parts),), generator=generator).tolist()
                work = _ByImage(self._split.images, self._calls, parts, seeds)
                # A batch's seed is its own, so the number of helpers does not show in the images.
                loader = DataLoader(work, batch_size=None, num_workers=self._helpers, worker_init_fn=_one_thread)
                return (batch.to(self._device) for batch in loader)

    def _check(self, calls: Sequence[TransformCall], when: str) -> None:
        transforms = [build(call) for call in calls]
        for number, image in enumerate(self._split.images[:_CHECKED_IMAGES]):
            try:
                with _chance(number):  # the same draws for everybody, whatever was trained before
                    result = _apply(transforms, _picture(image))
            except Exception as error:
                raise _rejected(f"{when} they fail: {type(error).__name__}: {error}") from None
            if not isinstance(result, Tensor) or result.dtype != torch.float32 or tuple(result.shape) != self._shape:
                got = f"{result.dtype} {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
                raise _rejected(f"{when} they give {got}, not float32 {self._shape}")


def held_out(recipe: Recipe, split: Split, context: TrainingContext, batch_size: int) -> Iterator[Tensor]:
    """All images of a split in order, as evaluation sees them: without the random transforms."""
    calls = tuple(evaluated(recipe.transforms))
    steps = compile_calls(calls, context.shape)
    if steps is None:
        kept = torch.split(_transformed_once(split, calls, context.device), batch_size)
        return (part.clone() for part in kept)  # a model may work on its input in place
    return _batched(split, steps, torch.arange(len(split)), batch_size, torch.Generator(), context.device)


def _batched(
    split: Split,
    steps: Sequence[BatchTransform],
    order: Tensor,
    batch_size: int,
    generator: torch.Generator,
    device: torch.device,
) -> Iterator[Tensor]:
    """Batches of the split's images at `order`, transformed on the device."""
    images = split.on(device).images
    drawn = [tuple(d.to(device) for d in step.draw(len(order), generator)) for step in steps]
    order = order.to(device)
    for start in range(0, len(order), batch_size):
        part = slice(start, start + batch_size)
        batch = images.index_select(0, order[part])
        for step, draws in zip(steps, drawn, strict=True):
            batch = step.apply(batch, *(d[part] for d in draws))
        yield batch.permute(0, 3, 1, 2)


def _transformed_once(split: Split, calls: Sequence[TransformCall], device: torch.device) -> Tensor:
    """All images (N, C, H, W) on the device through torchvision's own classes, remembered for the next seed."""
    key = (str(device), canonical([call.model_dump(mode="json") for call in calls]))
    images: Tensor | None = split.remembered(key)
    if images is None:
        split.remember(None, None)  # not both at once
        transforms = [build(call) for call in calls]
        with _chance(0):
            images = torch.stack([_apply(transforms, _picture(image)) for image in split.images])
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        split.remember(key, images)
    return images


def _select(images: Tensor, indices: Tensor) -> Tensor:
    """Images at `indices`; index_select on rows in memory order is far quicker than indexing."""
    return images.permute(0, 2, 3, 1).index_select(0, indices).permute(0, 3, 1, 2)


class _ByImage(Dataset[Tensor]):
    """Batches made image by image with torchvision's own classes."""

    def __init__(
        self, images: Bytes, calls: Sequence[TransformCall], parts: Sequence[Tensor], seeds: list[int]
    ) -> None:
        self._images, self._parts, self._seeds = images, parts, seeds
        self._transforms = [build(call) for call in calls]

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, number: int) -> Tensor:
        if number >= len(self._parts):
            raise IndexError
        indices = self._parts[number].tolist()
        with _chance(self._seeds[number]):
            return torch.stack([_apply(self._transforms, _picture(self._images[i])) for i in indices])


@contextmanager
def _chance(seed: int) -> Iterator[None]:
    """Seed the global generators, which torchvision draws from, with `seed`, and restore them afterwards."""
    kept = torch.get_rng_state(), random.getstate(), np.random.get_state()
    torch.default_generator.manual_seed(seed)  # the CPU's alone
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        random.setstate(kept[1])
        np.random.set_state(kept[2])


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def _picture(image: Bytes) -> Image.Image:
    """A PIL image as torchvision's data sets give them."""
    return Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))


def _apply(transforms: list[Transform], value: Any) -> Any:
    for transform in transforms:
        value = transform(value)
    return value

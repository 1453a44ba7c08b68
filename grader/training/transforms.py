"""Recipe to input pipeline: training batches with the recipe's transforms, held-out images without chance.

Three ways, chosen per recipe and said in the log:

* `fixed`: nothing is random, so every image is transformed once;
* `batched`: the random transforms are flips and crops, drawn per sample and applied to whole
  batches, which is the same distribution as torchvision's own, at a fraction of the cost;
* `per sample`: everything else, by torchvision itself, image by image.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from grader.recipe import Argument, DType, EnumMember, Recipe, SmallTensor, TransformCall
from grader.result import RejectedError, Rule, Violation
from grader.text import clean
from grader.training.data import Bytes, Split

#: Classes of torchvision that draw at random without saying so in their name.
_RANDOM = frozenset(
    {
        "AugMix",
        "AutoAugment",
        "ColorJitter",
        "CutMix",
        "ElasticTransform",
        "GaussianBlur",
        "GaussianNoise",
        "JPEG",
        "MixUp",
        "RandAugment",
        "ScaleJitter",
        "TrivialAugmentWide",
    }
)
_NO_IMAGE_RESULT = frozenset({"FiveCrop", "TenCrop", "Lambda", "Compose"})
_CHECKED_IMAGES = 8
_CHUNK = 4096
_BATCHED_PADDING = 16  # a whole batch is padded at once; wider ones go sample by sample

Transform = Callable[[Any], Any]


def is_random(call: TransformCall) -> bool:
    """Whether a transform draws at random and is therefore left out of evaluation."""
    name = call.transform.rpartition(".")[2]
    return name.startswith("Random") or name in _RANDOM


def evaluated(calls: tuple[TransformCall, ...]) -> list[TransformCall]:
    """The pipeline of evaluation: without chance, and with the sizes that the random crops gave."""
    result = []
    for call in calls:
        name = call.transform.rpartition(".")[2]
        size = call.arguments.get("size")
        if name == "RandomCrop":
            result.append(call.model_copy(update=_renamed(call, "CenterCrop", size)))
        elif name == "RandomResizedCrop":
            square = (size, size) if isinstance(size, int) else size
            result.append(call.model_copy(update=_renamed(call, "Resize", square)))
        elif not is_random(call):
            result.append(call)
    return result


def _renamed(call: TransformCall, name: str, size: Argument) -> dict[str, Any]:
    return {"transform": f"{call.transform.rpartition('.')[0]}.{name}", "arguments": {"size": size}}


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
    """A recipe's transforms on one split of images: makes batches, on the CPU or ready on a device."""

    def __init__(self, recipe: Recipe, images: Bytes, shape: tuple[int, int, int], device: torch.device) -> None:
        calls = recipe.transforms
        self._images, self._shape, self._device = images, shape, device
        self._train = [build(call) for call in calls]
        self._check([build(call) for call in evaluated(calls)], "in evaluation, without chance,")
        self._check(self._train, "in training")
        self._fixed: Tensor | None = None
        self._batched = _batched(calls)
        if not any(map(is_random, calls)):
            self.mode = "fixed"
            self._fixed = deterministic(recipe, images, device)
        elif self._batched is not None:
            self.mode = "batched"
            self._raw = _raw(images).to(device)
        else:
            self.mode = "per sample"

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Transformed images (B, C, H, W) float32 on the device; `generator` (CPU) makes every draw."""
        if self._fixed is not None:
            return self._fixed[indices.to(self._device)]
        if self._batched is not None:
            images = self._raw[indices.to(self._device)]
            for step in self._batched:
                images = step(images, generator)
            return images
        # torchvision draws from the global generators; they follow ours so that a seed decides all.
        state = int(torch.randint(1 << 62, (1,), generator=generator))
        torch.manual_seed(state)
        random.seed(state)
        np.random.seed(state % (1 << 32))
        samples = [_apply(self._train, _picture(self._images[i])) for i in indices.tolist()]
        return torch.stack(samples).to(self._device)

    def _check(self, transforms: list[Transform], when: str) -> None:
        for image in self._images[:_CHECKED_IMAGES]:
            try:
                result = _apply(transforms, _picture(image))
            except Exception as error:
                raise _rejected(f"{when} they fail: {type(error).__name__}: {error}") from None
            if not isinstance(result, Tensor) or result.dtype != torch.float32 or tuple(result.shape) != self._shape:
                got = f"{result.dtype} {tuple(result.shape)}" if isinstance(result, Tensor) else type(result).__name__
                raise _rejected(f"{when} they give {got}, not float32 {self._shape}")


def deterministic(recipe: Recipe, images: Bytes, device: torch.device) -> Tensor:
    """All images (N, C, H, W) float32 with the recipe's transforms but for the random ones, on `device`."""
    calls = evaluated(recipe.transforms)
    steps = _batched(tuple(calls))
    generator = torch.Generator()
    if steps is not None:
        parts = []
        for chunk in torch.split(_raw(images), _CHUNK):
            for step in steps:
                chunk = step(chunk, generator)
            parts.append(chunk.to(device))
        return torch.cat(parts)
    transforms = [build(call) for call in calls]
    torch.manual_seed(0)
    return torch.stack([_apply(transforms, _picture(image)) for image in images]).to(device)


def held_out(recipe: Recipe, split: Split, device: torch.device) -> Tensor:
    """The held-out images as evaluation sees them."""
    return deterministic(recipe, split.images, device)


def _picture(image: Bytes) -> Image.Image:
    """A PIL image as torchvision's data sets give them."""
    return Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))


def _apply(transforms: list[Transform], value: Any) -> Any:
    for transform in transforms:
        value = transform(value)
    return value


def _raw(images: Bytes) -> Tensor:
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous()


BatchStep = Callable[[Tensor, torch.Generator], Tensor]


def _batched(calls: tuple[TransformCall, ...]) -> list[BatchStep] | None:
    """The calls as operations on whole batches; None where one of them has no such form."""
    steps: list[BatchStep] = []
    is_float = False
    for call in calls:
        name = call.transform.rpartition(".")[2]
        arguments = dict(call.arguments)
        if name == "ToTensor" and call.transform == "torchvision.transforms.ToTensor" and not is_float:
            steps.append(_to_float)
            is_float = True
        elif name == "Normalize" and is_float and set(arguments) <= {"mean", "std", "inplace"}:
            transform = build(call.model_copy(update={"arguments": {**arguments, "inplace": False}}))
            steps.append(lambda x, _, t=transform: t(x))  # type: ignore[misc]
        elif (
            name in ("RandomHorizontalFlip", "RandomVerticalFlip")
            and set(arguments) <= {"p"}
            and isinstance(arguments.get("p", 0.5), (int, float))
        ):
            axis = -1 if name == "RandomHorizontalFlip" else -2
            steps.append(_flip(axis, float(arguments.get("p", 0.5))))
        elif name == "RandomCrop" and (crop := _crop(call)) is not None:
            steps.append(crop)
        elif name == "CenterCrop" and set(arguments) == {"size"}:
            transform = build(call)
            steps.append(lambda x, _, t=transform: t(x))  # type: ignore[misc]
        else:
            return None
    return steps if is_float else None


def _to_float(images: Tensor, generator: torch.Generator) -> Tensor:
    return images.to(torch.float32).div(255)


def _flip(axis: int, p: float) -> BatchStep:
    def flip(images: Tensor, generator: torch.Generator) -> Tensor:
        chosen = (torch.rand(len(images), generator=generator) < p).to(images.device)
        return torch.where(chosen[:, None, None, None], images.flip(axis), images)

    return flip


def _crop(call: TransformCall) -> BatchStep | None:
    """RandomCrop(size, padding=n): zeros around, one offset per sample, all offsets equally likely."""
    arguments = dict(call.arguments)
    size, padding = arguments.pop("size", None), arguments.pop("padding", None)
    if arguments or not isinstance(padding, int) or not 0 <= padding <= _BATCHED_PADDING:
        return None
    match size:
        case int():
            height = width = size
        case (int() as height, int() as width):
            pass
        case _:
            return None

    def crop(images: Tensor, generator: torch.Generator) -> Tensor:
        padded = torch.nn.functional.pad(images, (padding,) * 4)
        count, _, rows, columns = padded.shape
        top = torch.randint(rows - height + 1, (count,), generator=generator)
        left = torch.randint(columns - width + 1, (count,), generator=generator)
        row = (top[:, None] + torch.arange(height)).to(images.device)
        column = (left[:, None] + torch.arange(width)).to(images.device)
        sample = torch.arange(count, device=images.device)
        return padded.permute(0, 2, 3, 1)[sample[:, None, None], row[:, :, None], column[:, None, :]].permute(
            0, 3, 1, 2
        )

    return crop

"""A recipe's transform calls to batch transforms, as far as they have such a form."""

from collections.abc import Sequence

from torch import Tensor

from grader.core.recipe import Argument, DType, EnumMember, TransformCall
from grader.training.batched.base import (
    BatchTransform,
    CenterCrop,
    Crop,
    Flip,
    Normalize,
    Sometimes,
    ToFloat,
    ToNormalized,
)
from grader.training.batched.color import Grayscale, Jitter
from grader.training.batched.geometry import Affine, Erase, ResizedCrop

_PADDING = 16  # a whole batch is padded at once; wider ones go image by image


def compile_calls(calls: Sequence[TransformCall], shape: tuple[int, int, int]) -> list[BatchTransform] | None:
    """The calls as batch transforms, for images (C, H, W); None if one has no such form here."""
    compiler = _Compiler(shape)
    steps = [compiler.compile(call) for call in calls]
    if not compiler.is_float or any(step is None for step in steps):
        return None
    made: list[BatchTransform] = []
    for step in steps:
        if type(step) is Normalize and made and type(made[-1]) is ToFloat:
            made[-1] = ToNormalized(step.mean, step.std)
        elif step is not None and not isinstance(step, _Nothing):
            made.append(step)
    return made


class _Nothing(BatchTransform):
    def apply(self, images: Tensor, *draws: Tensor) -> Tensor:
        return images


class _Compiler:
    """Follows size and type of the images through a pipeline."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.channels, self.height, self.width = shape
        self.is_tensor = self.is_float = self.is_normalized = False

    def compile(self, call: TransformCall) -> BatchTransform | None:
        name = call.transform.rpartition(".")[2]
        arguments = dict(call.arguments)
        if any(key.startswith("*") for key in arguments):
            return None
        arguments.pop("inplace", None)
        try:
            # What is left over in `arguments` is something that the method does not know.
            made: BatchTransform | None = getattr(self, f"_{name}", lambda _: None)(arguments)
        except (TypeError, ValueError, KeyError, AttributeError):
            return None
        return None if arguments else made

    def _ToTensor(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        self.is_tensor = self.is_float = True
        return ToFloat()

    def _ToImage(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        self.is_tensor = True
        return _Nothing()

    _PILToTensor = _ToImage

    def _ConvertImageDtype(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        if arguments.pop("dtype", DType(dtype="float32")) != DType(dtype="float32") or not self.is_tensor:
            return None  # torchvision leaves PIL images as they are
        self.is_float = True
        return ToFloat()

    def _ToDtype(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        return self._ConvertImageDtype(arguments) if arguments.pop("scale", False) is True else None

    def _Normalize(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        mean, std = (_numbers(arguments.pop(name)) for name in ("mean", "std"))
        self.is_normalized = True
        return Normalize(mean, std) if self.is_float else None

    def _RandomHorizontalFlip(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        return Flip(2, _number(arguments.pop("p", 0.5)))

    def _RandomVerticalFlip(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        return Flip(1, _number(arguments.pop("p", 0.5)))

    def _RandomCrop(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        height, width = _size(arguments.pop("size"))
        padding = arguments.pop("padding", None) or 0
        if arguments.pop("fill", 0) != 0 or arguments.pop("padding_mode", "constant") != "constant":
            return None
        if type(padding) is not int or not 0 <= padding <= _PADDING:
            return None
        if height > self.height + 2 * padding or width > self.width + 2 * padding:
            return None
        made = Crop(height, width, padding, self.height, self.width)
        self.height, self.width = height, width
        return made

    def _CenterCrop(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        height, width = _size(arguments.pop("size"))
        if height > self.height or width > self.width:
            return None
        self.height, self.width = height, width
        return CenterCrop(height, width)

    def _RandomRotation(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        low, high = _symmetric(arguments.pop("degrees"))
        if arguments.pop("expand", False) is not False or arguments.pop("center", None) is not None:
            return None
        # Rotations are anticlockwise, affine maps clockwise.
        return Affine((-high, -low), size=(self.height, self.width)) if _nearest(arguments) else None

    def _RandomAffine(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        degrees = _symmetric(arguments.pop("degrees"))
        translate = _numbers(arguments.pop("translate", None) or (0.0, 0.0))
        scale = _numbers(arguments.pop("scale", None) or (1.0, 1.0))
        shear = arguments.pop("shear", None) or 0.0
        shear = (*_symmetric(shear), 0.0, 0.0) if not isinstance(shear, tuple) or len(shear) == 2 else _numbers(shear)
        if arguments.pop("center", None) is not None or not _nearest(arguments):
            return None
        (tx, ty), (low, high), (a, b, c, d) = translate, scale, shear
        return Affine(degrees, (tx, ty), (low, high), (a, b, c, d), size=(self.height, self.width))

    def _RandomResizedCrop(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        if _size(arguments.pop("size")) != (self.height, self.width):
            return None  # enlarging needs no filter against aliasing; anything else might
        low, high = _numbers(arguments.pop("scale", (0.08, 1.0)))
        narrow, broad = _numbers(arguments.pop("ratio", (3 / 4, 4 / 3)))
        arguments.pop("antialias", None)
        bilinear = EnumMember(enum="InterpolationMode", member="BILINEAR")
        if arguments.pop("interpolation", bilinear) != bilinear:
            return None
        return ResizedCrop(self.height, self.width, (low, high), (narrow, broad))

    def _RandomErasing(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        p = _number(arguments.pop("p", 0.5))
        low, high = _numbers(arguments.pop("scale", (0.02, 0.33)))
        narrow, broad = _numbers(arguments.pop("ratio", (0.3, 3.3)))
        value = _number(arguments.pop("value", 0))
        size = (self.height, self.width)
        return Erase(p, (low, high), (narrow, broad), value, size) if self.is_float else None

    def _RandomGrayscale(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        p = _number(arguments.pop("p", 0.1))
        return Grayscale(p) if self.channels == 3 else None

    def _ColorJitter(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        names = ("brightness", "contrast", "saturation", "hue")
        ranges = [_jitter(arguments.pop(name, 0.0), centre=0.0 if name == "hue" else 1.0) for name in names]
        if not any(ranges):
            return _Nothing()
        if ranges[3] is not None and self.is_normalized:
            return None  # hue has a meaning for colours between 0 and 1 only
        return Jitter(ranges) if self.channels == 3 else None

    def _RandomApply(self, arguments: dict[str, Argument]) -> BatchTransform | None:  # noqa: N802
        was = vars(self).copy()
        steps = [self.compile(call) for call in arguments.pop("transforms")]
        p = _number(arguments.pop("p", 0.5))
        if None in steps or vars(self) != was:
            return None
        return Sometimes([step for step in steps if step is not None], p)


def _number(value: Argument) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def _numbers(value: Argument) -> tuple[float, ...]:
    return tuple(map(_number, value)) if isinstance(value, tuple) else (_number(value),)


def _symmetric(value: Argument) -> tuple[float, float]:
    """torchvision's way to give a range: one number for -n to n, or two."""
    if not isinstance(value, tuple):
        return -_number(value), _number(value)
    low, high = _numbers(value)
    return low, high


def _jitter(value: Argument, centre: float) -> tuple[float, float] | None:
    low, high = _symmetric(value)
    if not isinstance(value, tuple):
        low, high = centre + low, centre + high
        low = max(low, 0.0) if centre else low
    return None if low == high == centre else (low, high)


def _size(value: Argument) -> tuple[int, int]:
    height, width = (value, value) if isinstance(value, int) else (value * 2 if len(value) == 1 else value)
    if type(height) is not int or type(width) is not int:
        raise TypeError
    return height, width


def _nearest(arguments: dict[str, Argument]) -> bool:
    """Whether these arguments ask for the nearest pixel and zeros from outside, as by default."""
    nearest = EnumMember(enum="InterpolationMode", member="NEAREST")
    return arguments.pop("interpolation", nearest) == nearest and (arguments.pop("fill", 0) or 0) == 0

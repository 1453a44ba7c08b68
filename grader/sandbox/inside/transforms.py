"""Reads `CONFIG.transforms` back as data: which torchvision classes, constructed with what.

A transform object does not keep its constructor's arguments in a uniform way, so the constructors
of torchvision's classes are made to note them before student code runs.
"""

import enum
import functools
import inspect
import math
import sys
import types
from collections.abc import Callable
from typing import Any

import torch

from .report import Report, describe

_NOTE = "_grader_arguments"
_MAX_TENSOR = 4096
_MAX_DEPTH = 8
_FIX = "use the transform classes that torchvision ships, with plain arguments; a recipe cannot hold code"


class NotRecordable(Exception):
    """A transform that cannot be written down as data; the message says why."""


def note_constructors(sources: dict[str, str]) -> None:
    """Make torchvision's transforms remember their arguments. Imports it only where it is named."""
    text = "\n".join(sources.values())
    if "torchvision" not in text:
        return
    for module in _modules(with_v2="v2" in text):
        for name in vars(module):
            exported = getattr(module, name)
            for kind in getattr(exported, "__mro__", ()):  # a private base may own the constructor
                original = vars(kind).get("__init__") if kind.__module__.startswith("torchvision.") else None
                if original is not None and not getattr(original, _NOTE, False):
                    setattr(kind, "__init__", _noting(original))  # noqa: B010


def _modules(with_v2: bool) -> list[types.ModuleType]:
    import torchvision.transforms

    if not with_v2:
        return [torchvision.transforms]
    import torchvision.transforms.v2

    return [torchvision.transforms, torchvision.transforms.v2]


def _noting(original: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        if _NOTE not in self.__dict__:
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError:
                bound = None  # the constructor itself will say what is wrong
            if bound is not None:
                self.__dict__[_NOTE] = _without_defaults(bound)
        original(self, *args, **kwargs)

    setattr(construct, _NOTE, True)
    return construct


def _without_defaults(bound: inspect.BoundArguments) -> dict[str, Any]:
    """The arguments that say something: equal pipelines get equal recipes."""
    arguments: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        parameter = bound.signature.parameters[name]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            arguments[f"*{name}"] = value
        elif type(value) is not type(parameter.default) or value != parameter.default:
            arguments[name] = value
    return arguments


def read(transforms: Any, image: list[int], report: Report) -> list[dict[str, Any]] | None:
    """`CONFIG.transforms` as a list of encoded calls; None (and a violation) where it cannot be."""
    line = report.line_of("config.py", "transforms")
    try:
        calls = [_encode_call(t, 0) for t in _flatten(transforms)]
    except NotRecordable as problem:
        report.add("transforms", "config.py", line, f"transforms: {problem}", _FIX)
        return None
    problem_found = _rehearse(transforms, image)
    if problem_found is not None:
        what, fix = problem_found
        report.add("transforms", "config.py", line, f"transforms: {what}", fix)
        return None
    return calls


def same(transforms: Any, calls: list[dict[str, Any]]) -> bool:
    """Whether the transforms are still what was read of them."""
    try:
        return [_encode_call(t, 0) for t in _flatten(transforms)] == calls
    except NotRecordable:
        return False


def _flatten(transforms: Any) -> list[Any]:
    if transforms is None:
        raise NotRecordable("is None; write [ToTensor()] for images as they are")
    if isinstance(transforms, (list, tuple)):
        return [inner for t in transforms for inner in _flatten(t)]
    if _shipped_name(transforms) and type(transforms).__name__ == "Compose":
        return _flatten(list(transforms.transforms))
    if type(transforms) is torch.nn.Sequential:
        return [inner for t in transforms for inner in _flatten(t)]
    return [transforms]


def _shipped_name(thing: Any) -> str | None:
    """The public name of a torchvision transform's class, or None for anything else."""
    for name in ("torchvision.transforms", "torchvision.transforms.v2"):
        module = sys.modules.get(name)
        kind = type(thing)
        if module is not None and getattr(module, kind.__name__, None) is kind:
            return f"{name}.{kind.__name__}"
    return None


def _encode_call(transform: Any, depth: int) -> dict[str, Any]:
    kind = type(transform)
    name = _shipped_name(transform)
    if name is None:
        if isinstance(transform, type):
            raise NotRecordable(
                f"holds the class {transform.__name__} instead of an instance: write {transform.__name__}()"
            )
        raise NotRecordable(f"{kind.__module__}.{kind.__qualname__} is not a transform class that torchvision ships")
    arguments = transform.__dict__.get(_NOTE)
    if arguments is None:
        if getattr(kind.__init__, _NOTE, False):
            raise NotRecordable(f"{name}: its arguments could not be read")
        arguments = {}  # it has no constructor of its own
    elif _settings(transform) != _settings(_again(kind, arguments)):
        raise NotRecordable(f"{name} was changed after it was made; give its constructor all it needs")
    return {"transform": name, "arguments": {k: _encode(v, depth + 1, f"{name}({k})") for k, v in arguments.items()}}


def _again(kind: type, arguments: dict[str, Any]) -> Any:
    positional = [v for k, values in arguments.items() if k.startswith("*") for v in values]
    return kind(*positional, **{k: v for k, v in arguments.items() if not k.startswith("*")})


def _settings(transform: Any) -> dict[str, Any]:
    """The plain attributes of a transform, to compare two of them."""

    def is_plain(value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return all(map(is_plain, value))
        return value is None or type(value) in (bool, int, float, str)

    return {k: v for k, v in transform.__dict__.items() if k != _NOTE and not k.startswith("_") and is_plain(v)}


def _encode(value: Any, depth: int, where: str) -> Any:
    if depth > _MAX_DEPTH:
        raise NotRecordable(f"{where} is nested too deeply")
    if value is None or type(value) in (bool, str):
        return value
    if isinstance(value, enum.Enum):
        if not type(value).__module__.startswith("torchvision."):
            raise NotRecordable(f"{where}: {type(value).__name__} is not an enumeration of torchvision")
        return {"enum": type(value).__name__, "member": value.name}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.Tensor):
        if value.numel() > _MAX_TENSOR:
            raise NotRecordable(f"{where}: a tensor of {value.numel()} values; a recipe holds at most {_MAX_TENSOR}")
        return {"tensor": _encode(value.tolist(), depth, where), "of": str(value.dtype).removeprefix("torch.")}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _encode(value.tolist(), depth, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotRecordable(f"{where} is {value}")
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_encode(v, depth + 1, where) for v in value]
    if type(value) in (torch.nn.ModuleList, torch.nn.Sequential):
        return [_encode(v, depth + 1, where) for v in value]
    if _shipped_name(value):
        return _encode_call(value, depth)
    if callable(value):
        raise NotRecordable(f"{where} holds a function of your own")
    raise NotRecordable(f"{where} holds a {type(value).__name__}")


def _rehearse(transforms: Any, image: list[int]) -> tuple[str, str] | None:
    """Run the pipeline on noise images of the task's size; (what, fix) where it would fail in training."""
    import numpy
    from PIL import Image

    channels, height, width = image
    pipeline = _flatten(transforms)
    noise = numpy.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    for _ in range(4):
        value: Any = Image.fromarray(noise if channels == 3 else noise[:, :, 0])
        for transform in pipeline:
            try:
                value = transform(value)
            except MemoryError:
                raise
            except Exception as error:
                if type(transform).__name__ == "Normalize" and isinstance(value, torch.Tensor):
                    given = len(transform.mean) if isinstance(transform.mean, (list, tuple)) else 1
                    if given not in (1, value.shape[0]):
                        return (
                            f"Normalize has {given} means for images of {value.shape[0]} channel(s)",
                            "give one mean and one standard deviation, which fit any number of channels",
                        )
                return (
                    f"{type(transform).__name__} fails on a {channels}x{height}x{width} image: {describe(error)}",
                    "transforms that work on PIL images go before ToTensor(), those on tensors after it",
                )
        if not isinstance(value, torch.Tensor):
            return (
                f"the result is a {type(value).__name__}, not a tensor",
                "end with ToTensor(), or in v2 with ToImage() and ToDtype(torch.float32, scale=True)",
            )
        if list(value.shape) != image:
            return (
                f"they turn a {channels}x{height}x{width} image into the shape {list(value.shape)}",
                f"keep the shape {image}: the model expects it (crop with padding, or resize back)",
            )
        if value.dtype != torch.float32:
            return (
                f"the result has the type {value.dtype}, the model needs torch.float32",
                "use ToTensor(), or in v2 ToDtype(torch.float32, scale=True)",
            )
    return None

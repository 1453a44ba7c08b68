"""What a submission chooses, as plain data: all that the trainer ever sees of it.

A recipe that validates here is well-formed: exact keys and types, finite numbers, series as long
as the training. Whether it fits a task (parameter names, number of steps) is `grader.sandbox.document`'s
matter. Equal behaviour gives equal recipes, so the key identifies what was trained.
"""

import hashlib
import math
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypeAliasType

MAX_GROUPS = 256
MAX_TRANSFORMS = 64
_MAX_NUMBER = 1e15

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,200}$")]
ShortText = Annotated[str, StringConstraints(max_length=64)]


class Frozen(BaseModel):
    """Immutable, exact: nothing extra, nothing converted, nothing infinite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Optimizer(StrEnum):
    """The optimizers of torch that need no closure and take dense gradients."""

    ADADELTA = "Adadelta"
    ADAFACTOR = "Adafactor"
    ADAGRAD = "Adagrad"
    ADAM = "Adam"
    ADAMW = "AdamW"
    ADAMAX = "Adamax"
    ASGD = "ASGD"
    MUON = "Muon"
    NADAM = "NAdam"
    RADAM = "RAdam"
    RMSPROP = "RMSprop"
    RPROP = "Rprop"
    SGD = "SGD"


#: What a group holds besides settings, and how an update is computed, which the trainer chooses.
_RESERVED = {"params", "lr", "initial_lr", "foreach", "fused", "capturable", "differentiable"}
LearningRate = Annotated[float, Field(ge=0.0, le=_MAX_NUMBER)]
Scalar = bool | float | None | ShortText
Setting = Scalar | Annotated[tuple[float | None, ...], Field(max_length=8)]
T = TypeVar("T")


class Series(Frozen, Generic[T]):
    """One value per training step, run-length encoded: `values[i]` holds for `counts[i]` steps.

    Neighbouring values differ, so that a series has one encoding only.
    """

    values: tuple[T, ...] = Field(min_length=1)
    counts: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        if len(self.values) != len(self.counts):
            raise ValueError(f"{len(self.values)} values with {len(self.counts)} counts")
        for a, b in zip(self.values, self.values[1:], strict=False):
            if a == b and type(a) is type(b):
                raise ValueError("equal neighbours must be one run")
        return self

    @cached_property
    def steps(self) -> int:
        """How many steps the series covers."""
        return sum(self.counts)

    def expand(self) -> Iterator[T]:
        """The value of every step, in order."""
        for value, count in zip(self.values, self.counts, strict=True):
            for _ in range(count):
                yield value

    @property
    def constant(self) -> bool:
        """Whether the value is the same in every step."""
        return len(self.values) == 1


class ParameterGroup(Frozen):
    """Parameters that are trained alike, by name, and what steers their updates step by step."""

    parameters: tuple[ParameterName, ...] = Field(max_length=10_000)
    lr: Series[LearningRate]
    others: dict[Name, Series[Setting]] = Field(max_length=32)

    @model_validator(mode="after")
    def _moving_settings_are_numbers(self) -> Self:
        if reserved := sorted(set(self.others) & _RESERVED):
            raise ValueError(f"{', '.join(reserved)} is not the submission's to set")
        for name, series in self.others.items():
            if not series.constant and len({_kind(v) for v in series.values}) != 1:
                raise ValueError(f"{name} changes its kind during training")
            if not series.constant and _kind(series.values[0]) in ("bool", "NoneType", "str"):
                raise ValueError(f"{name} is a switch and cannot change during training")
        return self


def _kind(value: Setting) -> str:
    return f"tuple{len(value)}" if isinstance(value, tuple) else type(value).__name__


class EnumMember(Frozen):
    """A member of one of torchvision's enumerations."""

    enum: Name
    member: Name


class DType(Frozen):
    """A torch dtype, by name."""

    dtype: Name


class SmallTensor(Frozen):
    """A small tensor given as nested lists of numbers."""

    tensor: "Argument"
    of: Name


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


class TransformCall(Frozen):
    """One transform: the public name of a class that torchvision ships, and its arguments."""

    transform: Annotated[str, StringConstraints(pattern=r"^torchvision\.transforms(\.v2)?\.[A-Z][A-Za-z0-9]{1,63}$")]
    arguments: dict[Annotated[str, StringConstraints(pattern=r"^\*?[A-Za-z_][A-Za-z0-9_]{0,63}$")], "Argument"] = Field(
        default_factory=dict, max_length=32
    )

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.transform.rpartition(".")[2]

    @property
    def is_random(self) -> bool:
        """Whether it draws at random, and is therefore left out when accuracy is measured."""
        return self.name.startswith("Random") or self.name in _RANDOM


def _not_whole(value: object) -> object:
    if type(value) is int:
        raise ValueError("a whole number beyond 4096")  # else its bound below would be passed by as a float
    return value


Number = Annotated[float, Field(ge=-_MAX_NUMBER, le=_MAX_NUMBER), BeforeValidator(_not_whole)]
#: Sizes, paddings and counts: bounded, so that no image of a training grows without measure.
WholeNumber = Annotated[int, Field(ge=-4096, le=4096)]
if TYPE_CHECKING:
    Argument: TypeAlias = Any  # mypy cannot follow a type that goes through models and itself
else:
    Argument = TypeAliasType(
        "Argument",
        None
        | bool
        | WholeNumber
        | Number
        | ShortText
        | TransformCall
        | EnumMember
        | DType
        | SmallTensor
        | Annotated[tuple["Argument", ...], Field(max_length=4096)],
    )
SmallTensor.model_rebuild()
TransformCall.model_rebuild()


class Recipe(Frozen):
    """A complete training, except for the model, the data and the seed."""

    optimizer: Optimizer
    groups: tuple[ParameterGroup, ...] = Field(min_length=1, max_length=MAX_GROUPS)
    frozen: tuple[ParameterName, ...] = Field(max_length=10_000)
    batch_size: int = Field(ge=1, lt=1 << 31)
    epochs: int = Field(ge=1, lt=1 << 31)
    transforms: tuple[TransformCall, ...] = Field(max_length=MAX_TRANSFORMS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        steps = {g.lr.steps for g in self.groups} | {s.steps for g in self.groups for s in g.others.values()}
        if len(steps) != 1:
            raise ValueError(f"series of different lengths: {sorted(steps)[:5]} steps")
        named = [name for group in self.groups for name in group.parameters]
        if len(set(named)) != len(named):
            raise ValueError("a parameter lies in two groups")
        return self

    @property
    def steps(self) -> int:
        """The number of training steps (batches over all epochs)."""
        return self.groups[0].lr.steps

    @cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON: equal for submissions that behave the same."""
        return hashlib.sha256(canonical(self.model_dump(mode="json")).encode()).hexdigest()


def canonical(data: Any) -> str:
    """JSON with sorted keys and no blanks: one text for one value."""
    import json

    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def steps_per_epoch(n_train: int, batch_size: int) -> int:
    """Batches in an epoch; the last one may be smaller (`DataLoader(drop_last=False)`)."""
    return math.ceil(n_train / batch_size)

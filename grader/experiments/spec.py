"""Studies as data: which schedules are compared, over which axes, and which figures and answers are reported.

A study is a TOML file. `[setup]` holds what all trainings share; every `[[variant]]` is a reference
scheduler with arguments; a `[[sweep]]` is one schedule over the points of one or two axes; `[[figure]]`
and `[[step]]` say what the report shows. A variant's initial rate is `lr`, or `rate` times the rate
that `[tuning]` finds best. Arguments are Python, as they stand in a config.py: TOTAL_STEPS is the
number of steps of the training, and in a sweep `$name` the value on that axis.
"""

import itertools
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from grader.core.errors import UsageError
from grader.core.files import read_toml
from grader.core.recipe import Frozen, Optimizer

_SHIPPED = Path(__file__).parent / "studies"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class Setup(Frozen):
    """What all trainings of a study share, unless a variant says otherwise."""

    optimizer: Optimizer = Optimizer.SGD
    momentum: float = Field(default=0.9, ge=0, lt=1)  # for SGD
    batch_size: int = Field(default=64, ge=1)
    epochs: int = Field(default=10, ge=1)


class Tuning(Frozen):
    """The grid of initial rates that is tried first; the best one is what `rate` multiplies."""

    schedule: str = "constant"
    lr: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)


class Variant(Frozen):
    """One schedule: a reference, its arguments, and the rate it starts from."""

    name: Label
    schedule: str
    arguments: str = "{}"
    rate: float = Field(default=1.0, gt=0)  # times the tuned rate
    lr: float | None = Field(default=None, gt=0)  # or a rate of its own
    optimizer: Optimizer | None = None


class Axis(Frozen):
    """One axis of a sweep: the name in the arguments, and Python values."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z_]+$")]
    label: str
    values: tuple[str, ...] = Field(min_length=1)


class Sweep(Frozen):
    """One schedule at every point of one or two axes."""

    name: Slug
    schedule: str
    arguments: str
    rate: float = Field(default=1.0, gt=0)
    axis: tuple[Axis, ...] = Field(min_length=1, max_length=2)

    def points(self) -> Iterator[tuple[tuple[str, ...], Variant]]:
        """The values on the axes, and the variant that stands there."""
        for values in itertools.product(*(axis.values for axis in self.axis)):
            named = {axis.name: value for axis, value in zip(self.axis, values, strict=True)}
            name = ", ".join(f"{k} {v}" for k, v in named.items())
            arguments = Template(self.arguments).substitute(named)
            yield (
                values,
                Variant(name=f"{self.name}: {name}", schedule=self.schedule, arguments=arguments, rate=self.rate),
            )


class FigureKind(StrEnum):
    """What a figure draws."""

    CURVES = "curves"  # loss, accuracy and rate over the training
    EARLY = "early"  # the loss of the first epochs in detail
    RATES = "rates"  # rates alone
    LINE = "line"  # final accuracy over the axis of a sweep
    HEATMAP = "heatmap"  # final accuracy over the two axes of a sweep
    TUNING = "tuning"  # final accuracy over the grid of initial rates


class Figure(Frozen):
    """One figure of the report."""

    name: Slug
    kind: FigureKind
    title: str
    variants: tuple[str, ...] = ()
    sweep: str = ""


class AnswerKind(StrEnum):
    """A kind of answer, whose sentences are generated from measured numbers."""

    SETUP = "setup"  # data, model, optimizer
    TUNING = "tuning"  # the rate that was found best
    FINAL = "final"  # accuracy and loss of `a`
    RATES = "rates"  # how the rate of `a` runs
    DIFFERENCE = "difference"  # final accuracy of `a` less that of `b`
    SPEED = "speed"  # epochs that `a` and `b` need to given accuracies
    EARLY = "early"  # loss of `a` and `b` in the first epoch
    RESTARTS = "restarts"  # what happens to loss and accuracy where the rate of `a` jumps up
    SENSITIVITY = "sensitivity"  # whether the points of `sweep` differ
    AXES = "axes"  # what each axis of `sweep` does on average


class Answer(Frozen):
    """One answer to a step of the exercise."""

    kind: AnswerKind
    a: str = ""
    b: str = ""
    sweep: str = ""


class Step(Frozen):
    """One numbered step of an exercise, and where its answer is."""

    number: int = Field(ge=1)
    task: str
    text: str = ""
    see: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()


class Study(Frozen):
    """A study file, validated."""

    name: Slug
    title: str
    about: str
    setup: Setup = Setup()
    tuning: Tuning
    variant: tuple[Variant, ...] = Field(min_length=1)
    sweep: tuple[Sweep, ...] = ()
    figure: tuple[Figure, ...] = ()
    step: tuple[Step, ...] = ()

    def with_epochs(self, epochs: int) -> "Study":
        """The same with trainings of that length."""
        setup = Setup(
            optimizer=self.setup.optimizer,
            momentum=self.setup.momentum,
            batch_size=self.setup.batch_size,
            epochs=epochs,
        )
        return Study.model_validate({**dict(self), "setup": setup})

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        variants, sweeps = {v.name for v in self.variant}, {s.name: s for s in self.sweep}
        figures = {f.name for f in self.figure}
        for kind, names in (
            ("variant", [v.name for v in self.variant]),
            ("sweep", [s.name for s in self.sweep]),
            ("figure", [f.name for f in self.figure]),
        ):
            if twice := {n for n in names if names.count(n) > 1}:
                raise ValueError(f"{kind} {', '.join(sorted(twice))} stands twice")
        if "constant" not in variants:
            raise ValueError('a variant "constant" is needed: every other one is compared with it')
        for sweep in self.sweep:
            try:
                list(sweep.points())
            except (KeyError, ValueError) as error:
                raise ValueError(f"sweep {sweep.name}: its arguments name no axis of it: {error}") from None
        for figure in self.figure:
            place = f"figure {figure.name}"
            _known(place, "variant", figure.variants, variants)
            if figure.kind in (FigureKind.LINE, FigureKind.HEATMAP):
                _known(place, "sweep", (figure.sweep,), set(sweeps))
                if len(sweeps[figure.sweep].axis) != 1 + (figure.kind is FigureKind.HEATMAP):
                    raise ValueError(f"{place}: a line has one axis, a heat map two")
            elif figure.sweep:
                _known(place, "sweep", (figure.sweep,), set(sweeps))
            elif figure.kind is not FigureKind.TUNING and not figure.variants:
                raise ValueError(f"{place}: name its variants")
        for step in self.step:
            place = f"step {step.number}"
            _known(place, "figure", step.see, figures)
            for answer in step.answers:
                two = (AnswerKind.DIFFERENCE, AnswerKind.SPEED, AnswerKind.EARLY)
                one = (AnswerKind.FINAL, AnswerKind.RATES, AnswerKind.RESTARTS)
                if answer.kind in two or answer.kind in one:
                    asked = (answer.a, answer.b) if answer.kind in two else (answer.a,)
                    _known(f"{place}, answer {answer.kind}", "variant", asked, variants)
                if answer.kind in (AnswerKind.SENSITIVITY, AnswerKind.AXES):
                    _known(f"{place}, answer {answer.kind}", "sweep", (answer.sweep,), set(sweeps))
        return self


def _known(place: str, what: str, names: tuple[str, ...], known: set[str]) -> None:
    if missing := [name for name in names if name not in known]:
        there = ", ".join(sorted(known)) or "none"
        raise ValueError(f"{place}: there is no {what} {missing[0]!r} (there is: {there})")


def shipped() -> list[str]:
    """Names of the studies that come with the package, in the order of the sheet's exercises."""
    return ["step-decay", "cosine", "polynomial", "warmup"]


def load(name_or_path: str) -> Study:
    """The shipped study of that name, or the one in that TOML file. Raises UsageError."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if name_or_path not in shipped():
            known = ", ".join([*shipped(), "all"])
            raise UsageError(f"there is no study {name_or_path!r}: use {known}, or the path of a .toml file")
        path = _SHIPPED / f"{name_or_path}.toml"
    elif path.stem in (*shipped(), "all"):
        raise UsageError(
            f"{path}: a study of this name ships with grader, and would share its report's folder: rename it"
        )
    raw = read_toml(path, UsageError)
    try:
        # Lax for TOML's lists and names; every range and key is still checked.
        return Study.model_validate({"name": path.stem, **raw}, strict=False)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, p['loc'])) or 'study'}: {p['msg'].removeprefix('Value error, ')}"
            for p in error.errors()
        )
        raise UsageError(f"{path}: {problems}") from None

"""The binding checks of a submission, on the host, on data only.

The probe's messages have the line numbers; but the probe shares a process with
student code, so it is not trusted: every rule that the data can show is checked here again.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from grader.core import strict_json
from grader.core.optimizer_settings import complaint
from grader.core.recipe import MAX_GROUPS, Frozen, LearningRate, Recipe, steps_per_epoch
from grader.core.task import Task, TaskFacts
from grader.core.text import clean
from grader.core.verdict import Rule, Violation
from grader.sandbox.compiled import Observed
from grader.sandbox.inside.cpu_limit import PARTS

_MAX_NODES = 50_000  # of a recipe, but for plain numbers in its series
_MAX_VIOLATIONS = 1000


class Document(Frozen):
    """What the probe wrote, if it is well-formed. Still untrusted."""

    memory: bool
    violations: tuple[Violation, ...]
    recipe: Recipe | None
    torch: str
    base_rates: tuple[float, ...] = ()
    timeout: bool = False
    cpu_seconds: float = 0.0
    cost: tuple[float, ...] = ()


class _Wire(Frozen):
    protocol: Literal[1]
    memory: bool
    violations: tuple[dict[str, Any], ...] = Field(max_length=_MAX_VIOLATIONS)
    recipe: dict[str, Any] | None
    observed: Observed | None = None
    base_rates: tuple[LearningRate, ...] = Field(default=(), max_length=MAX_GROUPS)
    timeout: bool = False
    cpu_seconds: float = Field(default=0.0, ge=0)
    cost: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(), max_length=PARTS)
    torch: str = Field(max_length=100)
    torchvision: str | None = Field(max_length=100)


class BrokenDocument(Exception):
    """The bytes from the sandbox are not a document of the probe; the message says why."""


def read_document(data: bytes, task: Task, facts: TaskFacts) -> Document:
    """Check every rule that data can show. Raises BrokenDocument if the bytes are no document.

    Rules broken by the recipe are added to the violations, and the recipe is then None.
    """
    try:
        raw = strict_json.parse(data, task.sandbox.document_kb << 10)
        _check_shape(raw)
        wire = _Wire.model_validate(raw, strict=False)
        violations = [_violation(v) for v in wire.violations]
    except strict_json.JsonError as error:
        raise BrokenDocument(str(error)) from None
    except ValidationError as error:
        raise BrokenDocument(_first(error)) from None
    except MemoryError:
        raise BrokenDocument("more than there is memory for") from None
    recipe = None
    if wire.recipe is not None and not violations:
        try:
            recipe = Recipe.model_validate_json(_json(wire.recipe))
        except ValidationError as error:
            violations.append(_recipe_violation(error))
    if recipe is not None:
        violations += check_recipe(recipe, task, facts)
    if recipe is None and not violations and not wire.memory and not wire.timeout:
        raise BrokenDocument("neither a recipe nor a reason why there is none")
    return Document(
        memory=wire.memory,
        violations=tuple(violations),
        recipe=recipe if not violations else None,
        torch=clean(wire.torch),
        base_rates=wire.base_rates,
        timeout=wire.timeout,
        cpu_seconds=wire.cpu_seconds,
        cost=wire.cost,
    )


def read_observed(data: bytes, task: Task) -> Observed | None:
    """What the probe observed; None if the bytes are no document, or hold no observation."""
    try:
        raw = strict_json.parse(data, task.sandbox.document_kb << 10)
        _check_shape(raw)
        observed = _Wire.model_validate(raw, strict=False).observed
    except (strict_json.JsonError, ValidationError, BrokenDocument, MemoryError):
        return None
    # It is expanded step by step: whoever wrote it may have claimed any number of steps.
    return observed if observed is not None and sum(observed.lr.counts) <= 2 * task.max_steps else None


def _check_shape(raw: Any) -> None:
    """Raise BrokenDocument for more than a document can need: a validator's complaints cost memory, each."""
    if not isinstance(raw, dict) or len(raw) > 20:
        raise BrokenDocument("not an object of the probe's")
    violations, rates = raw.get("violations"), raw.get("base_rates", [])
    if not isinstance(violations, list) or len(violations) > _MAX_VIOLATIONS:
        raise BrokenDocument("violations that are no list, or too long a one")
    for violation in violations:
        if not isinstance(violation, dict) or len(violation) > 10:
            raise BrokenDocument("a violation that is none")
        if any(isinstance(value, (dict, list)) for value in violation.values()):
            raise BrokenDocument("a violation that is none")
    if not isinstance(rates, list) or len(rates) > MAX_GROUPS:
        raise BrokenDocument("base rates that are no list, or too long a one")
    rest = {name: value for name, value in raw.items() if name not in ("violations", "recipe")}
    _check_size(rest)
    _check_size(raw.get("recipe"))


def _check_size(value: Any) -> None:
    """Raise BrokenDocument for more nodes than a recipe can have.

    Only plain numbers in a series are free, and there only such as give no complaint (or a few).
    """
    left = _MAX_NODES
    todo: list[Any] = [value]
    while todo and left >= 0:
        value = todo.pop()
        if isinstance(value, dict) and set(value) == {"values", "counts"}:
            left -= 2 + _dear(value["values"], 0) + _dear(value["counts"], 1)
            todo += [v for v in value.values() if not isinstance(v, list)]
        elif isinstance(value, dict):
            left -= len(value)
            todo += value.values()
        elif isinstance(value, list):
            left -= len(value)
            todo += value if left >= 0 else []
    if left < 0:
        raise BrokenDocument("more than a recipe can need")


def _dear(numbers: Any, least: int) -> int:
    """How many entries of a series a validator may have to look at twice."""
    if not isinstance(numbers, list):
        return 1
    dear = 0
    for number in numbers:
        pair = isinstance(number, list) and len(number) <= 8 and all(type(n) is float for n in number)
        if not pair and not (type(number) in (int, float) and number >= least):
            dear += 1 + (len(number) if isinstance(number, (list, dict)) else 0)
    return dear


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _violation(raw: dict[str, Any]) -> Violation:
    cleaned = {k: clean(v) if isinstance(v, str) else v for k, v in raw.items()}
    return Violation.model_validate_json(_json(cleaned))


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return clean(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")[:500]


def _clearest(error: ValidationError) -> Any:
    """The complaint about a value's size, if there is one, among those of a union's members."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return next((e for e in errors if e["type"] in ("value_error", "less_than_equal", "string_too_long")), errors[0])


def _recipe_violation(error: ValidationError) -> Violation:
    """A violation for a choice that a recipe cannot hold."""
    first = _clearest(error)
    path = [str(part) for part in first["loc"]]
    rule = {"transforms": Rule.TRANSFORMS, "groups": Rule.OPTIMIZER, "optimizer": Rule.OPTIMIZER}.get(
        path[0] if path else "", Rule.CONFIG
    )
    if "lr" in path:
        rule = Rule.LEARNING_RATE
    return Violation(
        rule=rule,
        file="scheduler.py" if rule is Rule.LEARNING_RATE else "config.py",
        what=clean(f"a recipe cannot hold this: {'.'.join(path)}: {first['msg']}")[:1000],
        fix="choose a plain value within sane bounds",
    )


def check_recipe(recipe: Recipe, task: Task, facts: TaskFacts) -> list[Violation]:
    """The rules that tie a recipe to a task: its parameters, its number of steps."""
    problems: list[Violation] = []

    def add(rule: Rule, what: str, fix: str) -> None:
        problems.append(Violation(rule=rule, file="config.py", what=what, fix=fix))

    for group in recipe.groups:
        for name, series in group.others.items():
            wrong = next((w for v in series.values if (w := complaint(recipe.optimizer, name, v))), None)
            if wrong is not None:
                add(Rule.OPTIMIZER, clean(wrong), "give the setting a value of the kind that the optimizer takes")
                return problems
    known = {p.name for p in facts.trainable}
    named = {name for group in recipe.groups for name in group.parameters}
    if not named <= known or not set(recipe.frozen) <= known:
        add(Rule.OPTIMIZER, "the optimizer names parameters that the model does not have", "use model.parameters()")
    if not named:
        add(Rule.OPTIMIZER, "the optimizer has no parameter to train", "give it model.parameters()")
    expected = steps_per_epoch(facts.n_train, recipe.batch_size) * recipe.epochs
    if recipe.steps != expected:
        add(
            Rule.STEPS,
            f"the recipe has {recipe.steps} steps where batch size and epochs make {expected}",
            "leave the recording of the schedule to the grader",
        )
    if expected > task.max_steps:
        add(Rule.STEPS, f"{expected} steps; this task allows {task.max_steps}", "train for fewer epochs")
    return problems

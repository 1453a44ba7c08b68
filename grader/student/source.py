"""What the code of a scheduler shows, read from its syntax tree: for advice that names a cause or a line."""

import ast
import re
from collections.abc import Iterator
from functools import cached_property

_CLASS = "CustomLRScheduler"
#: Attributes of PyTorch's base class and of its optimizer that change from step to step.
_COUNTERS = {"last_epoch", "_step_count", "_last_lr", "param_groups"}
#: Names, and beginnings of words in names, of what comes back on purpose.
_CYCLIC_NAMES = {"t_0", "t0", "t_mult", "t_i", "t_cur"}
_CYCLIC_WORDS = ("cycl", "restart", "period", "triang", "wave", "oscill", "snapshot", "sawtooth", "sgdr", "clr")
#: With one of these a period is a part of the training, and does not come back.
_PARTS_OF_A_TRAINING = ("warm", "decay", "hold", "cool", "anneal")


class SchedulerSource:
    """The text of scheduler.py. What cannot be parsed shows nothing."""

    def __init__(self, text: str) -> None:
        try:
            self._tree: ast.Module = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self._tree = ast.Module([], [])

    @cached_property
    def _classes(self) -> dict[str, ast.ClassDef]:
        return {node.name: node for node in ast.walk(self._tree) if isinstance(node, ast.ClassDef)}

    def method(self, name: str) -> ast.FunctionDef | None:
        """The scheduler's method, of its class or of one in the same file that it inherits from."""
        todo, seen = [_CLASS], set[str]()
        while todo:
            kind = self._classes.get(todo.pop(0))
            if kind is None or kind.name in seen:
                continue
            seen.add(kind.name)
            for node in kind.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return node
            todo += [base.id for base in kind.bases if isinstance(base, ast.Name)]
        return None

    def line(self, method: str) -> int | None:
        """Where the method begins, or else its class; None if there is neither."""
        node = self.method(method) or self._classes.get(_CLASS)
        return node.lineno if node is not None else None

    @property
    def step_is_idle(self) -> bool:
        """Whether there is a step() that neither calls another one nor reaches a parameter group."""
        step = self.method("step")
        if step is None:
            return False
        for node in _within(self, step):
            if isinstance(node, ast.Call) and _last_name(node.func) == "step":
                return False
            if isinstance(node, ast.Attribute) and node.attr == "param_groups":
                return False
        return True

    @property
    def reads_last_epoch(self) -> bool:
        """Whether get_lr() reads the number of the step."""
        get_lr = self.method("get_lr")
        attributes = (node for node in _within(self, get_lr) if isinstance(node, ast.Attribute)) if get_lr else ()
        return any(node.attr in ("last_epoch", "_step_count") for node in attributes)

    @property
    def reads_the_step(self) -> bool:
        """Whether get_lr() reads anything that may change from step to step."""
        get_lr = self.method("get_lr")
        if get_lr is None:
            return True
        changing = _COUNTERS | (self._set_in(*self._others("__init__")))
        return bool(changing & {node.attr for node in _within(self, get_lr) if isinstance(node, ast.Attribute)})

    @property
    def frozen_counters(self) -> list[str]:
        """Attributes that get_lr() reads as if they counted, and that __init__() alone sets: to last_epoch, -1 or 0."""
        init, get_lr = self.method("__init__"), self.method("get_lr")
        if init is None or get_lr is None:
            return []
        begun = set[str]()
        for node in ast.walk(init):
            if isinstance(node, ast.Assign) and _begins_a_count(node.value):
                begun |= set(map(_of_self, node.targets))
        read = set(map(_of_self, _within(self, get_lr))) - {""}
        return sorted((begun & read) - self._set_in(*self._others("__init__")) - _COUNTERS)

    @property
    def counts_epochs(self) -> list[str]:
        """Names that speak of epochs, but for `last_epoch`, which PyTorch gives."""
        return sorted(name for name in self._names if "epoch" in name.lower() and name not in ("last_epoch", "epoch"))

    @property
    def is_cyclic(self) -> bool:
        """Whether the code shows that the rate is meant to come back: by a remainder in a formula, or by a name."""
        if any(map(_is_cyclic, self._names)) or {"fmod", "remainder", "divmod"} & self._names:
            return True
        for node in ast.walk(self._tree):
            # `if step % 98 == 0` only asks.
            for child in () if isinstance(node, (ast.Compare, ast.UnaryOp, ast.BoolOp)) else ast.iter_child_nodes(node):
                is_remainder = (
                    isinstance(child, ast.BinOp) and isinstance(child.op, ast.Mod) and not _is_text(child.left)
                )
                if is_remainder and getattr(node, "test", None) is not child:
                    return True
        return False

    @property
    def uses_a_cosine(self) -> bool:
        """Whether a cosine is computed."""
        return "cos" in self._names

    @cached_property
    def _names(self) -> set[str]:
        names = set[str]()
        for node in ast.walk(self._tree):
            for field in ("id", "attr", "arg", "name"):
                value = getattr(node, field, None)
                if isinstance(value, str):
                    names.add(value)
        return names - {_CLASS, "CosineAnnealingWarmRestarts", "CyclicLR"}

    def _others(self, but: str) -> list[ast.FunctionDef]:
        kind = self._classes.get(_CLASS)
        body = kind.body if kind is not None else []
        return [node for node in body if isinstance(node, ast.FunctionDef) and node.name != but]

    def _set_in(self, *methods: ast.FunctionDef) -> set[str]:
        return {
            node.attr
            for method in methods
            for node in ast.walk(method)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }


def _within(source: SchedulerSource, method: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a method, and of the scheduler's other methods that it calls."""
    todo, seen = [method], set[str]()
    while todo:
        here = todo.pop()
        if here.name in seen:
            continue
        seen.add(here.name)
        for node in ast.walk(here):
            yield node
            called = source.method(_of_self(node))
            if called is not None:
                todo.append(called)


def _of_self(node: ast.AST) -> str:
    """The attribute of `self` that a node is; empty for others."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return ""


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _begins_a_count(value: ast.AST) -> bool:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        value = value.operand
    if isinstance(value, ast.Constant):
        return type(value.value) is int and value.value in (0, 1)
    return isinstance(value, ast.Name) and value.id == "last_epoch"


def _is_cyclic(name: str) -> bool:
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    if name.lower() in _CYCLIC_NAMES:
        return True
    return any(w.startswith(_CYCLIC_WORDS) for w in words) and not any(
        w.startswith(_PARTS_OF_A_TRAINING) for w in words
    )


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))

"""What an exception raised by student code means, and how to fix it, in the words of a teaching assistant."""

import re
import sys
from typing import NamedTuple

from .fixes import DRAW_FIX, GRADIENTS_FIX, STATE_FIX, STEP_ONLY_FIX

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
#: What PyTorch's scheduler class had once. Sources: PyTorch's release notes and git history of optim/lr_scheduler.py.
REMOVED = {
    "verbose": "PyTorch deprecated verbose in 2.2 and removed it in 2.7",
    "print_lr": "PyTorch deprecated print_lr() in 2.4 and removed it in 2.7",
    "_print_lr": "PyTorch deprecated print_lr() in 2.4 and removed it in 2.7",
}
_META_TENSOR_SIGNS = ("meta tensor", "out of meta", "meta device", "register_meta")
#: The base class called with a third argument, which was `verbose` until PyTorch removed it.
_BASE_TAKES_TWO = re.compile(r"LRScheduler\.__init__\(\) takes .* positional arguments but 4 were given")
_OWN_CODE = "this is an error in your own code: look at what the named line does in that step"


class Explanation(NamedTuple):
    """A rule of the contract, what happened, and how to fix it."""

    rule: str
    what: str
    fix: str


class _Hint(NamedTuple):
    kind: type[BaseException]
    pattern: str  # searched in the error's message
    fix: str  # {1} is the pattern's first group


#: The first that fits is taken, so the special ones come before the general ones.
_HINTS = (
    _Hint(TypeError, r"optimizer_factory\(\) missing 1 required positional argument: 'model'",
          "write def optimizer_factory(model), without self: it is called as CONFIG.optimizer_factory(model)"),
    _Hint(TypeError, r"optimizer_factory\(\) takes 0 positional arguments",
          "give it the model: def optimizer_factory(model):"),
    _Hint(TypeError, r"optimizer_factory\(\) missing .* required positional argument",
          "it is called with the model only, as CONFIG.optimizer_factory(model): give the other arguments defaults"),
    _Hint(TypeError, r"verbose", "remove verbose: PyTorch removed that argument from its schedulers"),
    _Hint(TypeError, _BASE_TAKES_TWO.pattern, "remove verbose: PyTorch removed that argument from its schedulers"),
    _Hint(TypeError, r"LRScheduler\.__init__\(\) missing 1 required positional argument: 'optimizer'",
          "pass the optimizer on: super().__init__(optimizer, last_epoch)"),
    _Hint(TypeError, r"LRScheduler\.__init__\(\) got an unexpected keyword argument '(\w+)'",
          "PyTorch's base class takes optimizer and last_epoch only: keep {1} in an attribute of your own"),
    _Hint(TypeError, r"step\(\) missing 1 required positional argument: '(\w+)'",
          "the training loop calls scheduler.step() without arguments: give {1} a default"),
    _Hint(TypeError, r"step\(\) takes 1 positional argument but 2 were given",
          "torch calls step() without arguments but some code passes one: write def step(self, epoch=None)"),
    _Hint(TypeError, r"'(list|tuple)' object is not callable|object is not callable",
          "something that is no function is called: is a name used twice, or a pair of brackets too many?"),
    _Hint(TypeError, r"unsupported operand type\(s\) for .*'list'",
          "a list has no arithmetic: compute per group, [... for base_lr in self.base_lrs]"),
    _Hint(TypeError, r"unsupported operand type\(s\) for .*'NoneType'|NoneType",
          "a value is None here: give the argument a value in lrs_kwargs, or check for None"),
    _Hint(TypeError, r"'float' object cannot be interpreted as an integer", "use // or int() where a count is wanted"),
    _Hint(TypeError, r"'(float|int)' object is not iterable|is not iterable",
          "return a list with one learning rate per parameter group"),
    _Hint(TypeError, r"must be real number, not (list|tuple)",
          "compute per group: a formula takes one rate, self.base_lrs is a list of them"),
    _Hint(AttributeError, r"has no attribute '_last_lr'",
          "get_last_lr() has nothing to give before the first step: in get_lr(), use self.base_lrs, or the rates in "
          "self.optimizer.param_groups"),
    _Hint(AttributeError, r"has no attribute 'base_lr'(?!s)",
          "it is called base_lrs, a list with one rate per parameter group: [... for base_lr in self.base_lrs]"),
    _Hint(AttributeError, r"has no attribute '(_initial_step|_step_count|_get_lr_called_within_step)'",
          "call super().__init__(optimizer, last_epoch) in your __init__(), and leave its internals alone"),
    _Hint(AttributeError, r"'NoneType' object has no attribute",
          "a value is None here: did a function forget its return?"),
    _Hint(AttributeError, r"module '(torch[\w.]*)' has no attribute '(\w+)'",
          "the grader's PyTorch has no such name in {1}: check its spelling and the version that you wrote it for"),
    _Hint(AttributeError, r"type object 'CONFIG' has no attribute '(\w+)'",
          "CONFIG is complete only after its class body: put {1} above the class, and use it in both places"),
    _Hint(KeyError, r"param 'initial_lr' is not specified",
          "leave last_epoch at its default, -1: any other value resumes an earlier training, which there is none of"),
    _Hint(KeyError, r"'(\w+)'",
          "there is no key '{1}' here: add it to lrs_kwargs in config.py, or read it with .get()"),
    _Hint(IndexError, r"",
          "a list ends before the training does: its length follows from the data set and the batch size; "
          "compute the rate from self.last_epoch, or stay at the last entry with min()"),
    _Hint(ZeroDivisionError, r"",
          "a divisor is zero in this step: look at warmup lengths, periods and totals, and keep them above zero with "
          "max(1, …)"),
    _Hint(OverflowError, r"",
          "a power grows beyond the range of floats: does the exponent count batches where it was meant to count "
          "epochs?"),
    _Hint(ValueError, r"math domain error",
          "a root, logarithm or power of a negative number: the step goes beyond the length that the formula was made "
          "for; stop it with min(1.0, …)"),
    _Hint(ValueError, r"not enough values to unpack|too many values to unpack",
          "the number of values differs from what the line expects: one per parameter group?"),
    _Hint(NameError, r"name '(\w+)' is not defined", "{1} is not known here: import it, or correct its spelling"),
    _Hint(UnboundLocalError, r"'(\w+)'", "{1} has no value on this way through the function: set it in every branch"),
    _Hint(NotImplementedError, r"", "a method that has to be written is not: get_lr() of your own class"),
    _Hint(ImportError, r"relative import", "write it without the dot: import config, or from scheduler import …"),
    _Hint(ImportError, r"cannot import name '(\w+)'",
          "the grader's version of that package has no {1}: check the spelling and the version that you wrote it for"),
    _Hint(AssertionError, r"",
          "an assert of your own does not hold here: do its numbers fit this data set and batch size?"),
    _Hint(RuntimeError, r"leaf Variable that requires grad",
          "leave the weights to the optimizer: only the settings of its groups are recorded"),
)  # fmt: skip


def explain(error: BaseException, text: str) -> Explanation:
    """Explain the exception `error` of student code, whose message is `text`."""
    name = type(error).__name__
    if name in ("ReadsTraining", "ActsOnTraining"):
        return _about_training(error, text)
    if any(sign in text.lower() for sign in _META_TENSOR_SIGNS):
        return Explanation(
            "reads_weights",
            f"an error because it reads the values of weights or moves the model ({text})",
            "a schedule may depend on the step and on its own arguments only; here the model has parameter names "
            "and shapes but no values, and the grader moves it to its device",
        )
    if isinstance(error, SystemExit):
        fix = "remove the call of exit(): the grader has to go on after your code"
        return Explanation("raised", "SystemExit", fix)
    if isinstance(error, RecursionError):
        return Explanation("raised", "RecursionError (it calls itself without end)", "end the recursion")
    if isinstance(error, SyntaxError):
        what = f"{text} (read by {PYTHON})"
        return Explanation("raised", what, f"correct the syntax of this line or the one before; it must be {PYTHON}'s")
    for say in (_about_import, _about_attribute, _about_system):
        fix_ = say(error)
        if fix_ is not None:
            return Explanation("raised", text, fix_)
    return Explanation("raised", text, _hint(error, text) or _OWN_CODE)


def _about_training(error: BaseException, text: str) -> Explanation:
    if type(error).__name__ == "ActsOnTraining":
        fix = STATE_FIX if "state" in text else GRADIENTS_FIX
        return Explanation("acts_on_training", f"an error because it acts on the training ({text})", fix)
    fix = STEP_ONLY_FIX
    if "gradients" in text:
        fix += "; to clip gradients, or to look at them, is no part of a recipe"
    elif "generator" in text:
        fix = DRAW_FIX
    return Explanation("reads_weights", f"an error because it reads what only a training has ({text})", fix)


def _about_import(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError):
        return None
    missing = error.name or "a module"
    return (
        f"a submission may import Python's standard library, torch, torchvision, numpy and its own two files: remove "
        f"{missing!r}, write what you need of it yourself, or import it where it is not graded, under "
        'if __name__ == "__main__"'
    )


def _about_attribute(error: BaseException) -> str | None:
    """For an attribute that the student's own scheduler lacks."""
    if not isinstance(error, AttributeError) or type(getattr(error, "obj", None)).__name__ != "CustomLRScheduler":
        return None
    name = error.name or ""
    if name in REMOVED:
        return f"{REMOVED[name]}: remove it; print the rates yourself if you want to see them"
    special = _hint(error, str(error))
    if special is not None:
        return special
    if name.startswith("_") or name in ("optimizer", "base_lrs", "last_epoch"):
        return "call super().__init__(optimizer, last_epoch) in your __init__()"
    return "set every attribute that get_lr() reads before super().__init__(), which already calls get_lr()"


def _about_system(error: BaseException) -> str | None:
    if isinstance(error, PermissionError):
        return "files, network and new processes are closed to a submission: compute the schedule in Python"
    if isinstance(error, FileNotFoundError):
        return "a submission cannot read files: write its values into config.py"
    return None


def _hint(error: BaseException, text: str) -> str | None:
    for kind, pattern, fix in _HINTS:
        match = re.search(pattern, text) if isinstance(error, kind) else None
        if match is not None:
            return fix.replace("{1}", next(filter(None, match.groups()), "")) if match.groups() else fix
    return None

"""The settings that each optimizer of torch reads from its groups besides the learning rate, and the kind of each.

Source: the constructors of torch.optim, which a test compares with this table.
"""

from typing import Final

from grader.core.recipe import Optimizer, Setting

NUMBER: Final = "a number"
SWITCH: Final = "True or False"
NAME: Final = "a name or None"
_Kind = str | int  # an int: that many numbers

_COMMON: dict[str, _Kind] = {"maximize": SWITCH, "weight_decay": NUMBER}
_ADAM: dict[str, _Kind] = {"betas": 2, "eps": NUMBER, **_COMMON}
SETTINGS: dict[Optimizer, dict[str, _Kind]] = {
    Optimizer.ADADELTA: {"eps": NUMBER, "rho": NUMBER, **_COMMON},
    Optimizer.ADAFACTOR: {"beta2_decay": NUMBER, "d": NUMBER, "eps": 2, **_COMMON},
    Optimizer.ADAGRAD: {"eps": NUMBER, "initial_accumulator_value": NUMBER, "lr_decay": NUMBER, **_COMMON},
    Optimizer.ADAM: {"amsgrad": SWITCH, "decoupled_weight_decay": SWITCH, **_ADAM},
    Optimizer.ADAMW: {"amsgrad": SWITCH, "decoupled_weight_decay": SWITCH, **_ADAM},
    Optimizer.ADAMAX: _ADAM,
    Optimizer.ASGD: {"alpha": NUMBER, "lambd": NUMBER, "t0": NUMBER, **_COMMON},
    Optimizer.MUON: {
        "adjust_lr_fn": NAME, "eps": NUMBER, "momentum": NUMBER, "nesterov": SWITCH, "ns_coefficients": 3,
        "ns_steps": NUMBER, "weight_decay": NUMBER,
    },
    Optimizer.NADAM: {"decoupled_weight_decay": SWITCH, "momentum_decay": NUMBER, **_ADAM},
    Optimizer.RADAM: {"decoupled_weight_decay": SWITCH, **_ADAM},
    Optimizer.RMSPROP: {"alpha": NUMBER, "centered": SWITCH, "eps": NUMBER, "momentum": NUMBER, **_COMMON},
    Optimizer.RPROP: {"etas": 2, "maximize": SWITCH, "step_sizes": 2},
    Optimizer.SGD: {"dampening": NUMBER, "momentum": NUMBER, "nesterov": SWITCH, **_COMMON},
}  # fmt: skip


def complaint(optimizer: Optimizer, name: str, value: Setting) -> str | None:
    """What is wrong with the type of a setting; None if it is right, or if the optimizer does not read it."""
    kind = SETTINGS[optimizer].get(name)
    if kind is None or _is(kind, value):
        return None
    wanted = f"{kind} numbers" if isinstance(kind, int) else kind
    return f"{name} of {optimizer} is {str(value)[:40]!r}, not {wanted}"


def _is(kind: _Kind, value: Setting) -> bool:
    if isinstance(kind, int):
        return isinstance(value, tuple) and len(value) == kind
    if kind is NUMBER:
        return isinstance(value, float)
    if kind is SWITCH:
        return isinstance(value, bool)
    return value is None or isinstance(value, str)

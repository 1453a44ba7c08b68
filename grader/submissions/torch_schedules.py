"""Recognises the schedules of PyTorch's own schedulers by their rounding.

Most of PyTorch's schedulers make a rate from the one before it, and so gather roundings that a formula of the step
does not have. A schedule with the very bits of one of them, in code that holds no formula, was probably played by it:
out of its source executed as a text, say, or out of its functions taken apart, which no watch on the classes sees.

Each generator yields the rates of all steps, computed as `get_lr` of the class does it.
Source: torch/optim/lr_scheduler.py of PyTorch 2.14, which a test compares with these.
"""

import ast
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

Rates = Sequence[float]
_NUMBER = re.compile(r"(?<![\w.])(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MAX_NUMBERS = 40  # of a submission's own that are tried as arguments
_MAX_CHOICES = 20_000  # of arguments, for one scheduler: most are seen to be wrong at their second step
_MAX_STEPS = 1_000_000  # that are compared, for all schedulers together
_FORMULA = (ast.Mult, ast.Div, ast.Pow)


def exponential(base: float, gamma: float) -> Iterator[float]:
    """ExponentialLR."""
    return itertools.accumulate(itertools.repeat(gamma), lambda lr, factor: lr * factor, initial=base)


def step(base: float, step_size: int, gamma: float) -> Iterator[float]:
    """StepLR."""
    lr = base
    for t in itertools.count():
        if t and t % step_size == 0:
            lr = lr * gamma
        yield lr


def multi_step(base: float, milestones: Sequence[int], gamma: float) -> Iterator[float]:
    """MultiStepLR; no milestone stands twice."""
    lr, at = base, set(milestones)
    for t in itertools.count():
        if t in at:
            lr = lr * gamma
        yield lr


def constant(base: float, factor: float, total_iters: int) -> Iterator[float]:
    """ConstantLR."""
    lr = base * factor
    for t in itertools.count():
        if t and t == total_iters:
            lr = lr * (1.0 / factor)
        yield lr


def linear(base: float, start: float, end: float, total_iters: int) -> Iterator[float]:
    """LinearLR."""
    lr = base * start
    for t in itertools.count():
        if 0 < t <= total_iters:
            lr = lr * (1.0 + (end - start) / (total_iters * start + (t - 1) * (end - start)))
        yield lr


def polynomial(base: float, total_iters: int, power: float) -> Iterator[float]:
    """PolynomialLR."""
    lr = base
    for t in itertools.count():
        if 0 < t <= total_iters:
            lr = lr * (((1.0 - t / total_iters) / (1.0 - (t - 1) / total_iters)) ** power)
        yield lr


def cosine(base: float, t_max: int, eta_min: float) -> Iterator[float]:
    """CosineAnnealingLR."""
    lr = base
    for t in itertools.count():
        if t and (t - 1 - t_max) % (2 * t_max) == 0:
            lr = lr + (base - eta_min) * (1 - math.cos(math.pi / t_max)) / 2
        elif t:
            before = 1 + math.cos(math.pi * (t - 1) / t_max)
            lr = (1 + math.cos(math.pi * t / t_max)) / before * (lr - eta_min) + eta_min
        yield lr


def warm_restarts(base: float, t_0: int, t_mult: int, eta_min: float) -> Iterator[float]:
    """CosineAnnealingWarmRestarts."""
    at, period = 0, t_0
    while True:
        yield eta_min + (base - eta_min) * (1 + math.cos(math.pi * at / period)) / 2
        at += 1
        if at >= period:
            at, period = at - period, period * t_mult


def one_cycle(total: int, max_lr: float, pct_start: float, div: float, final_div: float) -> Iterator[float]:
    """OneCycleLR with its usual two phases along a cosine."""
    initial = max_lr / div
    ends = (float(pct_start * total) - 1, float(total - 1))
    for t in range(total):
        first = t <= ends[0]
        begin, end = (0.0, ends[0]) if first else ends
        low, high = (initial, max_lr) if first else (max_lr, initial / final_div)
        yield high + (low - high) / 2.0 * (math.cos(math.pi * ((t - begin) / (end - begin))) + 1)


def holds_a_formula(code: str) -> bool:
    """Whether Python code multiplies, divides or raises to a power anything, outside of texts."""
    try:
        nodes = ast.walk(ast.parse(code))
        return any(isinstance(n, (ast.BinOp, ast.AugAssign)) and isinstance(n.op, _FORMULA) for n in nodes)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True  # nothing can be said


def played_by(rates: Rates, base: float, code: str, config: str) -> str | None:
    """The scheduler of PyTorch whose very bits `rates` are, with its arguments, where `code` holds no formula.

    `base` is the learning rate that the optimizer was made with; numbers of the two texts are tried as arguments.
    """
    if len(rates) < 4 or min(rates) == max(rates) or holds_a_formula(code):
        return None
    numbers = _numbers(code + "\n" + config)
    left = max(_MAX_STEPS, 4 * len(rates))
    for name, make, choices in _fits(rates, base, numbers):
        for arguments in islice(choices, _MAX_CHOICES):
            agreed = _agreement(rates, make, arguments)
            left -= agreed
            if left < 0:
                return None
            if agreed == len(rates):
                shown = ", ".join(f"{a:g}" if isinstance(a, float) else str(a) for a in arguments)
                return f"{name}({shown})"
    return None


def _numbers(text: str) -> list[float]:
    found = dict.fromkeys(float(n.replace("_", "")) for n in islice(_NUMBER.findall(text), 10 * _MAX_NUMBERS))
    return [n for n in found if math.isfinite(n)][:_MAX_NUMBERS]


def _agreement(rates: Rates, make: Callable[..., Iterator[float]], arguments: Sequence[object]) -> int:
    """How many steps, from the first on, have the same bits."""
    agreed = 0
    try:
        for wanted, made in zip(rates, make(*arguments), strict=False):
            if wanted != made:
                break
            agreed += 1
    except (ArithmeticError, ValueError):
        pass
    return agreed


def _near(value: float, numbers: Iterable[float]) -> list[float]:
    """What a fitted argument may have been exactly: itself, rounded, or a number of the submission's."""
    own = [n for n in numbers if math.isclose(n, value, rel_tol=1e-6)]
    return list(dict.fromkeys([*own[:5], *(round(value, digits) for digits in (3, 6, 9, 12)), value]))


_Fit = tuple[str, Callable[..., Iterator[float]], Iterable[Sequence[object]]]


def _fits(rates: Rates, base: float, numbers: list[float]) -> Iterator[_Fit]:
    """Every scheduler with the arguments that may have made these rates."""
    whole = sorted({int(n) for n in numbers if n.is_integer() and 1 <= n <= 10_000_000} | {len(rates), len(rates) - 1})
    changes = [t for t in range(1, len(rates)) if rates[t] != rates[t - 1]]
    first = changes[0]
    if base > 0:
        ratios = _near(rates[first] / rates[first - 1], numbers) if rates[first - 1] else []
        if len(changes) > len(rates) // 2:
            yield "ExponentialLR", exponential, [(base, gamma) for gamma in ratios]
            floors = [n for n in numbers if 0 <= n < base]
            yield "CosineAnnealingLR", cosine, ((base, t, e) for t in whole for e in dict.fromkeys((0.0, *floors)))
            mults = [m for m in whole if m <= 16] or [1]
            yield "CosineAnnealingWarmRestarts", warm_restarts, (
                (base, t, m, e) for t in whole for m in dict.fromkeys((1, *mults)) for e in dict.fromkeys((0.0, *floors))
            )
            powers = dict.fromkeys((1.0, *(n for n in numbers if 0 < n <= 20)))
            yield "PolynomialLR", polynomial, ((base, t, p) for t in whole for p in powers)
        else:
            yield "StepLR", step, [(base, first, gamma) for gamma in ratios]
            yield "MultiStepLR", multi_step, [(base, changes, gamma) for gamma in ratios]
            factors = _near(rates[0] / base, [*numbers, 1.0 / 3])
            yield "ConstantLR", constant, [(base, factor, first) for factor in factors if factor]
        starts = _near(rates[0] / base, [*numbers, 1.0 / 3])
        ends = _near(rates[-1] / base, [*numbers, 1.0])
        total = changes[-1]
        yield "LinearLR", linear, [(base, a, b, total) for a in starts for b in ends if a]
    shares = dict.fromkeys((0.3, *(n for n in numbers if 0 < n < 1)))
    divisors = dict.fromkeys((25.0, 1e4, *(n for n in numbers if n > 1)))
    for total in (n for n in whole if n >= len(rates)):
        peaks = dict.fromkeys((max(rates), *(n for n in numbers if n > 0)))
        beginnings = [(m, d) for m in peaks for d in divisors if m / d == rates[0] or math.isclose(m / d, rates[0])]
        yield "OneCycleLR", one_cycle, ((total, m, p, d, f) for m, d in beginnings for p in shares for f in divisors)

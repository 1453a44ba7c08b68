"""Recognises the standard schedules from the learning rates alone.

Each recogniser takes the rates of the steps (floats, one group) and answers with a name and its
parameters, or None. They are tried from the most special to the most general; a match means that
every step agrees to a relative 1e-6.

Formulas: torch.optim.lr_scheduler's documentation; Loshchilov and Hutter, SGDR (2016), equation 5.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

_TOLERANCE = 1e-6
Rates = Sequence[float]


def name_of(rates: Rates) -> str | None:
    """The name of a known schedule with its parameters, such as "cosine, T_max=3910"; None for others."""
    if _rises_evenly(rates):
        return f"linear warmup over {len(rates) - 1} steps or more"
    start = _warmup(rates) if len(rates) > 4 else 0
    for begin in (start, start + 1) if start else (0,):
        warm = f"linear warmup over {begin} steps, then " if begin else ""
        for recognise in (_constant, _step, _exponential, _inverse_time, _cosine, _polynomial):
            name = recognise(rates[begin:])
            if name is not None and (warm or recognise is not _constant):
                return warm + name
    return None


def _same(rates: Rates, formula: Callable[[int], float], top: float) -> bool:
    return all(abs(rate - formula(step)) <= _TOLERANCE * top for step, rate in enumerate(rates))


def _rises_evenly(rates: Rates) -> bool:
    if len(rates) < 4 or rates[-1] <= rates[0]:
        return False
    rise = (rates[-1] - rates[0]) / (len(rates) - 1)
    return _same(rates, lambda t: rates[0] + rise * t, rates[-1])


def _warmup(rates: Rates) -> int:
    """How many steps the rate rises evenly from the start (0 where it does not, or never stops)."""
    rise = rates[1] - rates[0]
    if rise <= 0:
        return 0
    top = max(rates)
    for step in range(1, len(rates)):
        if abs(rates[step] - rates[step - 1] - rise) > _TOLERANCE * top:
            return step - 1 if step > 3 else 0
    return 0


def _constant(rates: Rates) -> str | None:
    return "constant" if min(rates) == max(rates) else None


def _runs(rates: Rates) -> list[tuple[float, int]]:
    runs: list[tuple[float, int]] = []
    for rate in rates:
        if runs and runs[-1][0] == rate:
            runs[-1] = (rate, runs[-1][1] + 1)
        else:
            runs.append((rate, 1))
    return runs


def _step(rates: Rates) -> str | None:
    """Drops by one factor: at even distances, or at milestones."""
    runs = _runs(rates)
    if not 2 <= len(runs) <= max(2, len(rates) // 3) or runs[0][0] <= 0:
        return None
    gamma = runs[1][0] / runs[0][0]
    if not 0 < gamma < 1:
        return None
    if any(abs(b[0] - a[0] * gamma) > _TOLERANCE * a[0] for a, b in pairwise(runs)):
        return None
    lengths = {count for _, count in runs[:-1]}
    if len(lengths) == 1 and len(runs) > 2 and runs[-1][1] <= runs[0][1]:
        return f"step decay, step_size={runs[0][1]}, gamma={gamma:.6g}"
    ends = [sum(count for _, count in runs[: i + 1]) for i in range(len(runs) - 1)]
    shown = ", ".join(map(str, ends[:6])) + (", …" if len(ends) > 6 else "")
    return f"step decay at [{shown}], gamma={gamma:.6g}"


def _exponential(rates: Rates) -> str | None:
    if len(rates) < 4 or rates[0] <= 0 or not 0 < rates[1] / rates[0] < 1:
        return None
    # From the far end of what is not tiny: the first two steps alone fix the factor badly.
    last = max((i for i, rate in enumerate(rates) if rate > 1e-3 * rates[0]), default=1)
    gamma = (rates[last] / rates[0]) ** (1 / last) if last else 0.0
    if gamma and _same(rates, lambda t: rates[0] * gamma**t, rates[0]):
        return f"exponential, gamma={gamma:.6g}"
    return None


def _inverse_time(rates: Rates) -> str | None:
    """base / (1 + decay t): Robbins and Monro, A Stochastic Approximation Method (1951), as it is used in training."""
    if len(rates) < 8 or not 0 < rates[-1] < rates[0]:
        return None
    decay = (rates[0] / rates[-1] - 1) / (len(rates) - 1)
    if _same(rates, lambda t: rates[0] / (1 + decay * t), rates[0]):
        return f"inverse time, decay={decay:.6g}"
    return None


def _cosine(rates: Rates) -> str | None:
    """Half a wave from the first rate to eta_min; also when it goes on up again, or stays at the floor."""
    top, floor = rates[0], min(rates)
    if len(rates) < 8 or top <= floor:
        return None
    restarts = [t for t in range(1, len(rates)) if rates[t] == top]
    first = rates[: restarts[0]] if restarts else rates
    waves = (*_waves(rates, floor), *_wave_by_ratio(first), *_wave_of_length(first, len(first) if restarts else 0))
    for eta_min, t_max in dict.fromkeys(waves):

        def wave(t: int, eta_min: float = eta_min, t_max: int = t_max) -> float:
            return eta_min + (top - eta_min) * (1 + math.cos(math.pi * t / t_max)) / 2

        def held(t: int, t_max: int = t_max) -> float:
            return wave(min(t, t_max))

        ending = f", eta_min={eta_min:.4g}" if eta_min else ""
        if _same(rates, wave, top) or _same(rates, held, top):
            return f"cosine, T_max={t_max}{ending}"
        for factor in dict.fromkeys((1, _longer(restarts))) if restarts else ():

            def restarted(t: int, t_0: int = len(first), factor: int = factor, wave: Any = wave) -> float:
                if factor == 1:
                    return float(wave(t % t_0))
                length = t_0
                while t >= length:
                    t, length = t - length, length * factor
                return float(wave(t * t_max / length))

            if _same(rates, restarted, top):
                grown = f", T_mult={factor}" if factor > 1 else ""
                return f"cosine with warm restarts, T_0={len(first)}{grown}{ending}"
    return None


def _waves(rates: Rates, floor: float) -> Iterator[tuple[float, int]]:
    """Possible eta_min and T_max, where the wave ends at zero or in the lowest of the rates."""
    top, at = rates[0], max(2, rates.index(floor) // 2)
    for eta_min in (0.0, floor):
        share = 2 * (rates[at] - eta_min) / (top - eta_min) - 1
        if -1 < share < 1 and (t_max := round(math.pi * at / math.acos(share))) >= 2:
            yield eta_min, t_max


def _longer(restarts: Sequence[int]) -> int:
    """How many times as long as the first cycle the second one is; 1 if there is no second."""
    return max(1, round((restarts[1] - restarts[0]) / restarts[0])) if len(restarts) > 1 else 1


def _wave_of_length(rates: Rates, t_max: int) -> Iterator[tuple[float, int]]:
    """The same for a wave that reaches its end after `t_max` steps."""
    at = t_max // 2
    if at >= 2:
        share = (1 + math.cos(math.pi * at / t_max)) / 2
        eta_min = (rates[at] - rates[0] * share) / (1 - share)
        if eta_min >= -_TOLERANCE * rates[0]:
            yield max(0.0, eta_min), t_max


def _wave_by_ratio(rates: Rates) -> Iterator[tuple[float, int]]:
    """The same for a wave that stops before its end: the drop is (top - eta_min) sin²(x) with x = pi t / (2 T_max),

    so drops after t and 2 t steps have the ratio 4 cos²(x), in which eta_min is not.
    """
    at = len(rates) // 3
    near, far = rates[0] - rates[at], rates[0] - rates[2 * at]
    if near <= 0 or not 0 < far / near < 4:
        return
    t_max = round(math.pi * at / (2 * math.acos(math.sqrt(far / near) / 2)))
    if t_max >= 2:
        eta_min = rates[0] - near / math.sin(math.pi * at / (2 * t_max)) ** 2
        if eta_min >= -_TOLERANCE * rates[0]:
            yield max(0.0, eta_min), t_max


def _polynomial(rates: Rates) -> str | None:
    """base (1 - t / total) ** power, zero after; power 1 is linear."""
    if len(rates) < 8 or rates[0] <= 0 or rates[-1] > rates[0]:
        return None
    zero = next((t for t, rate in enumerate(rates) if rate <= 0), 0)
    slope = rates[0] - rates[1]
    for total in dict.fromkeys((zero, len(rates), round(rates[0] / slope) if slope > 0 else 0)):
        if total < 4:
            continue
        middle = min(total, len(rates)) // 2
        if not 0 < rates[middle] < rates[0]:
            continue
        power = (math.log(rates[middle]) - math.log(rates[0])) / math.log(1 - middle / total)  # a ratio may underflow
        if _same(rates, lambda t, n=total, p=power: rates[0] * max(0.0, 1 - t / n) ** p, rates[0]):  # type: ignore[misc]
            kind = "linear" if abs(power - 1) < 1e-4 else f"polynomial, power={power:.4g}"
            return f"{kind}, total={total}"
    return None

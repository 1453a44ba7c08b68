"""A class of 80 with the truth about it: who wrote a standard formula, who adapted code that is cited, who copied whom.

Honest students choose among ways of writing that are common: names, loops or comprehensions, helpers, `math` or
`numpy`. Copies are of three kinds: with other names, with the parts in another order, and rewritten to do the same.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

IMPORT = "from torch.optim.lr_scheduler import _LRScheduler\n"


@dataclass(frozen=True)
class Student:
    """A submission and what is true of it."""

    name: str
    code: str
    sources: tuple[str, ...]
    copied: str = ""  # from whom
    kind: str = "honest"


def class_of_80(seed: int) -> list[Student]:
    """The class; another seed gives other choices of the same sort."""
    draw = random.Random(seed)
    taught = [_taught(draw, number) for number in range(44)]
    adapted = [_adapted(draw, number) for number in range(20)]
    own = [_own(draw, number) for number in range(10)]
    copies = _copies(draw, own, adapted)
    everybody = [*taught, *adapted, *own, *copies]
    draw.shuffle(everybody)
    return everybody


def _pick(draw: random.Random, *choices: str) -> str:
    return draw.choice(choices)


#: Factor of the base rate by the step {t}; the other names are attributes with their values.
FORMULAS: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {
    "cosine": ("0.5 * (1 + {m}.cos({m}.pi * min({t}, self.{n}) / self.{n}))", {"n": (500, 7820)}),
    "restarts": ("0.5 * (1 + {m}.cos({m}.pi * ({t} % self.{n}) / self.{n}))", {"n": (391, 1564)}),
    "step": ("self.{g} ** ({t} // self.{n})", {"n": (300, 2000), "g": (0.1, 0.9)}),
    "exponential": ("self.{g} ** {t}", {"g": (0.995, 0.9999)}),
    "linear": ("max(0.0, 1 - {t} / self.{n})", {"n": (1000, 8000)}),
    "polynomial": ("max(0.0, 1 - {t} / self.{n}) ** self.{g}", {"n": (1000, 8000), "g": (0.7, 3.0)}),
    "inverse": ("1 / (1 + self.{g} * {t})", {"g": (0.0005, 0.02)}),
    "warmup": ("min(1.0, ({t} + 1) / self.{n})", {"n": (50, 900)}),
    "constant": ("1.0", {}),
}
WHOLE = ("total_steps", "T_max", "max_steps", "num_steps", "period", "decay_steps", "step_size", "steps")
REAL = ("gamma", "power", "decay", "factor", "decay_rate", "alpha", "rate")


def _taught(draw: random.Random, number: int) -> Student:
    formula, ranges = FORMULAS[draw.choice(list(FORMULAS))]
    names = {"n": draw.choice(WHOLE), "g": draw.choice(REAL)}
    values = {
        names[key]: draw.randint(int(low), int(high)) if key == "n" else round(draw.uniform(low, high), 4)
        for key, (low, high) in ranges.items()
    }
    body = formula.replace("{n}", names["n"]).replace("{g}", names["g"])
    sources = draw.choice([("none: my own work",), ("https://pytorch.org/docs/stable/optim.html",), ("lecture 7",)])
    return Student(f"taught{number:02}", _written(draw, body, values), sources)


def _written(draw: random.Random, factor: str, values: dict[str, float], extra: str = "") -> str:
    """A scheduler that multiplies the base rates with `factor`, in one of many ways of writing."""
    step = _pick(draw, "self.last_epoch", "t", "step", "current_step")
    module = _pick(draw, "math", "math", "np")
    base = _pick(draw, "base_lr", "lr", "base", "b")
    factor = factor.replace("{t}", step).replace("{m}", module)
    imports = "import numpy as np\n" if module == "np" and "np." in factor else "import math\n"
    lines = [imports, IMPORT, "\n\n"]
    if draw.random() < 0.3:
        lines.insert(
            0, _pick(draw, "# My scheduler\n", '"""Custom learning rate scheduler."""\n', "# CIS assignment\n")
        )
    lines.append("class CustomLRScheduler(_LRScheduler):\n")
    if draw.random() < 0.4:
        lines.append(
            _pick(draw, '    """Decays the learning rate."""\n\n', '    """The schedule of my submission."""\n\n')
        )
    if values or draw.random() < 0.5:
        arguments = "".join(f", {name}={value}" for name, value in values.items())
        end = _pick(draw, "last_epoch=-1", "last_epoch: int = -1")
        lines.append(f"    def __init__(self, optimizer{arguments}, {end}):\n")
        lines += [f"        self.{name} = {name}\n" for name in draw.sample(list(values), len(values))]
        call = _pick(
            draw,
            "super().__init__(optimizer, last_epoch)",
            "super(CustomLRScheduler, self).__init__(optimizer, last_epoch)",
        )
        lines.append(f"        {call}\n\n")
    hint = _pick(draw, "", " -> list[float]")
    where = _pick(draw, "comprehension", "loop", "name", "helper")
    if where == "helper":
        helper = _pick(draw, "_factor", "multiplier", "_scale", "get_factor")
        lines.append(f"    def {helper}(self):\n")
        if step != "self.last_epoch":
            lines.append(f"        {step} = self.last_epoch\n")
        lines += [extra, f"        return {factor}\n\n", f"    def get_lr(self){hint}:\n"]
        lines.append(f"        return [{base} * self.{helper}() for {base} in self.base_lrs]\n")
        return "".join(lines)
    lines.append(f"    def get_lr(self){hint}:\n")
    if step != "self.last_epoch":
        lines.append(f"        {step} = self.last_epoch\n")
    lines.append(extra)
    if where == "comprehension":
        lines.append(f"        return [{base} * ({factor}) for {base} in self.base_lrs]\n")
    elif where == "name":
        name = _pick(draw, "factor", "scale", "mult", "multiplier")
        lines.append(f"        {name} = {factor}\n        return [{base} * {name} for {base} in self.base_lrs]\n")
    else:
        found = _pick(draw, "lrs", "rates", "new_lrs", "out")
        lines.append(f"        {found} = []\n        for {base} in self.base_lrs:\n")
        lines.append(f"            {found}.append({base} * ({factor}))\n        return {found}\n")
    return "".join(lines)


#: Code that several students found on the same page, and adapt: names of their own, numbers of their own.
PAGES = {
    "https://github.com/someone/damped-lr": (
        "        phase = {t} / {a}\n        envelope = math.exp(-{t} / {b})\n"
        "        swing = 1 + 0.5 * envelope * math.sin(phase)\n        floor = 0.1 + 0.9 * envelope\n", "swing * floor", (30, 90), (900, 3000)),
    "https://blog.example-lab.io/exp-range": (
        "        cycle = {t} // (2 * {a})\n        x = abs({t} / {a} - 2 * cycle - 1)\n"
        "        scale = 0.9995 ** ({t} / {b})\n        peak = max(0.0, 1 - x) * scale\n", "0.05 + 0.95 * peak", (200, 700), (1, 9)),
    "https://stackoverflow.com/questions/1234567": (
        "        done = min(1.0, {t} / {a})\n        rex = (1 - done) / (1 - done / 2)\n"
        "        warm = min(1.0, ({t} + 1) / {b})\n        value = max(0.02, rex * warm)\n", "value", (2000, 7000), (100, 400)),
    "https://medium.com/@author/log-decay": (
        "        slow = math.log(1 + {t} / {a})\n        fast = math.log(1 + {t} / {b})\n"
        "        mixed = 0.7 / (1 + slow) + 0.3 / (1 + fast * fast)\n        value = max(0.01, mixed)\n", "value", (40, 200), (500, 1500)),
}  # fmt: skip


def _adapted(draw: random.Random, number: int) -> Student:
    page = list(PAGES)[number % len(PAGES)]
    lines, result, first, second = PAGES[page]
    body = lines.replace("{a}", str(draw.randint(*first))).replace("{b}", str(draw.randint(*second)))
    names = sorted(set(re.findall(r"^\s+(\w+) =", body, re.M)))
    for name in draw.sample(names, draw.randint(0, len(names))):
        other = name + draw.choice(["_t", "_factor", "_now", "_part"])
        body, result = (re.sub(rf"\b{name}\b", other, text) for text in (body, result))
    step = _pick(draw, "t", "step", "n")
    base = _pick(draw, "base_lr", "lr", "base")
    code = f"import math\n{IMPORT}\n\nclass CustomLRScheduler(_LRScheduler):\n    def get_lr(self):\n"
    code += f"        {step} = self.last_epoch\n{body.replace('{t}', step)}"
    code += f"        return [{base} * ({result}) for {base} in self.base_lrs]\n"
    return Student(f"adapted{number:02}", code, (f"{page} (adapted)",))


def _own(draw: random.Random, number: int) -> Student:
    """A formula that nobody else has, in a few lines."""
    a, b, c = draw.randint(20, 400), round(draw.uniform(0.2, 0.8), 2), draw.randint(600, 4000)
    shapes = (
        f"        rise = min(1.0, t / {a})\n        fall = 1 / (1 + (t / {c}) ** 2)\n        value = rise * fall + {b} * rise * (1 - fall) * 0.1\n",
        f"        part = t / {c}\n        value = {b} + (1 - {b}) * math.exp(-part * part)\n        value *= 1 + 0.05 * math.cos(t / {a})\n",
        f"        stairs = t // {a}\n        inside = (t % {a}) / {a}\n        value = {b} ** stairs * (1 - 0.5 * inside ** 3)\n        value = max(value, 1e-4)\n",
        f"        x = math.tanh((t - {c}) / {a * 3})\n        value = 0.55 - 0.45 * x\n        if t < {a}:\n            value *= (t + 1) / {a}\n",
        f"        long = math.sqrt({c} / ({c} + t))\n        short = {b} ** (t / {a})\n        value = max(long * 0.6, short)\n",
    )
    body = shapes[number % len(shapes)]
    code = f"import math\n\n{IMPORT}\n\nclass CustomLRScheduler(_LRScheduler):\n"
    code += "    def get_lr(self):\n        t = self.last_epoch\n" + body
    code += "        return [base_lr * value for base_lr in self.base_lrs]\n"
    return Student(f"own{number:02}", code, ("none: my own work",))


def _copies(draw: random.Random, own: list[Student], adapted: list[Student]) -> list[Student]:
    victims = draw.sample(own, 6)
    return [
        *(
            Student(f"renamed{n}", _renamed(draw, v.code), v.sources, v.name, "renamed")
            for n, v in enumerate(victims[:2])
        ),
        *(
            Student(f"reordered{n}", _reordered(v.code), v.sources, v.name, "reordered")
            for n, v in enumerate(victims[2:4])
        ),
        *(
            Student(f"rewritten{n}", _rewritten(n, v.code), v.sources, v.name, "rewritten")
            for n, v in enumerate(victims[4:])
        ),
    ]


def _renamed(draw: random.Random, code: str) -> str:
    """Other names, another comment, other blank lines, and one number changed a little."""
    for name in ("value", "rise", "fall", "part", "stairs", "inside", "x", "long", "short", "t", "base_lr"):
        other = draw.choice("abcdefghijk") + draw.choice(["val", "tmp", "aux", "cur"])
        code = re.sub(rf"(?<![\w.]){name}\b(?!\()", other, code)
    numbers = re.findall(r"(?<![\w.])\d{2,4}\b", code)
    code = code.replace(numbers[0], str(round(int(numbers[0]) * draw.uniform(1.2, 2))))
    return code.replace("    def get_lr", "    # own idea\n\n    def get_lr")


def _reordered(code: str) -> str:
    """The computation in a method of its own below, its independent lines exchanged, and a constructor that does nothing."""
    head, body = code.split("    def get_lr(self):\n")
    lines = body.splitlines(keepends=True)
    first, rest, last = lines[:1], lines[1:-1], lines[-1]
    if len(rest) > 2 and "value" not in rest[0] + rest[1]:
        rest[:2] = rest[1::-1]
    inner = "".join([*first, *rest])
    return (
        f"{head}    def __init__(self, optimizer, last_epoch=-1):\n        super().__init__(optimizer, last_epoch)\n\n"
        f"    def get_lr(self):\n        value = self.current()\n{last}\n    def current(self):\n{inner}        return value\n"
    )


def _rewritten(number: int, code: str) -> str:
    """A table of the same values, computed in another way: nothing of the text is left."""
    body = code.split("        t = self.last_epoch\n")[1].rsplit("        return", 1)[0]
    inner = "".join(f"{line[4:]}" for line in body.splitlines(keepends=True))
    inner = re.sub(r"math\.(\w+)", r"\1", inner)
    for name, other in (("value", "z"), ("rise", "p"), ("fall", "q"), ("part", "u"), ("stairs", "k"), ("inside", "w"),
                        ("long", "g"), ("short", "h"), ("x", "y")):  # fmt: skip
        inner = re.sub(rf"\b{name}\b", other, inner)
    inner = re.sub(r"(\w+) = ([^-+\n]+) \* (\w+)\n", r"\1 = \3 * (\2)\n", inner)
    if number == 0:
        return (
            "from math import cos, exp, sqrt, tanh\n\nfrom torch.optim import lr_scheduler\n\n\n"
            f"def multiplier(t):\n{inner}    return z\n\n\n"
            "class CustomLRScheduler(lr_scheduler._LRScheduler):\n    def get_lr(self):\n"
            "        now, result = multiplier(self.last_epoch), []\n        for index in range(len(self.base_lrs)):\n"
            "            result += [now * self.base_lrs[index]]\n        return result\n"
        )
    lines = "".join(f"    {line}" for line in inner.splitlines(keepends=True))
    return (
        f"from math import *\n\n{IMPORT}\n\nclass CustomLRScheduler(_LRScheduler):\n    @staticmethod\n"
        f"    def curve(t):\n{lines}        return z\n\n    def get_lr(self):\n"
        "        return list(map(self.curve(self.last_epoch).__mul__, self.base_lrs))\n"
    )

"""Schedules with the advice that an expert would give, for CIFAR-10 in batches of 512 and 10 epochs: 980 steps.

They are written without a look at the rules of `grader.student.advice`. Where an expert would be undecided, a schedule
is not in here.
"""

from support.advice_corpus_of_students import STUDENTS
from support.advice_schedules import COS, HEAD, Schedule, of_arguments, of_body, of_factor

DECAY = "def get_lr(self):\n    return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]\n\n"
ADAM = "Adam(model.parameters(), lr={})"

_FORMULAS = (
    # nothing is scheduled
    of_factor("kit", "1", "never-moves"),
    of_factor("half-the-rate", "0.5", "never-moves"),
    of_factor("milestone-never-reached", "0.1 ** (t // 50000)", "never-moves"),
    of_factor("floor-above-all", "max(1.0, 0.99 ** t)", "never-moves"),
    of_body("step-counts-only", DECAY + "def step(self, epoch=None):\n    self.last_epoch += 1", "idle-step"),
    of_body("step-does-nothing", DECAY + "def step(self, epoch=None):\n    pass", "idle-step"),
    of_body("step-keeps-a-history",
        "history = []\n\n" + DECAY + "def step(self, epoch=None):\n    self.history.append(self.last_epoch)", "idle-step"),
    of_body("counter-of-its-own",
        "def __init__(self, optimizer, last_epoch=-1):\n    self.now = last_epoch\n    super().__init__(optimizer, last_epoch)\n\n"
        "def get_lr(self):\n    return [base_lr * (1 + math.cos(math.pi * self.now / 980)) / 2 for base_lr in self.base_lrs]\n\n"
        "def step(self, epoch=None):\n    super().step(epoch)", "never-moves"),
    # a rate that moves, in ways that look idle
    of_body("step-writes-rates",
        "def get_lr(self):\n    return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]\n\n"
        "def step(self, epoch=None):\n    self.last_epoch += 1\n"
        "    for group, lr in zip(self.optimizer.param_groups, self.get_lr()):\n        group['lr'] = lr"),
    of_body("step-counts-and-delegates",
        "def __init__(self, optimizer, last_epoch=-1):\n    self.n = 0\n    super().__init__(optimizer, last_epoch)\n\n"
        "def get_lr(self):\n    return [base_lr / (1 + 0.01 * self.n) for base_lr in self.base_lrs]\n\n"
        "def step(self, epoch=None):\n    self.n += 1\n    super().step(epoch)"),
    of_body("momentum-moves",
        "def get_lr(self):\n    for group in self.optimizer.param_groups:\n"
        "        group['momentum'] = 0.95 - 0.1 * (self.last_epoch % 400) / 400\n    return list(self.base_lrs)",
        optimizer="SGD(model.parameters(), lr=0.1, momentum=0.9)"),
    of_body("step-count-of-torch", "def get_lr(self):\n    return [base_lr / (1 + 0.001 * self._step_count) for base_lr in self.base_lrs]"),
    of_body("from-the-last-rate",
        "def get_lr(self):\n    if self.last_epoch == 0:\n        return list(self.base_lrs)\n"
        "    return [group['lr'] * 0.998 for group in self.optimizer.param_groups]"),
    # useful at any length
    of_factor("inverse-time", "1 / (1 + 0.01 * t)"),
    of_factor("inverse-square-root", "1 / math.sqrt(1 + t)"),
    of_factor("logarithmic", "1 / math.log(t + math.e)"),
    of_factor("noam", "min((t + 1) / 100, math.sqrt(100 / (t + 1)))"),
    of_factor("slow-exponential", "0.999 ** t"),
    of_factor("exponential", "0.99 ** t"),
    of_factor("exponential-by-epochs", "0.8 ** (t // 98)"),
    of_factor("halved-every-epoch", "0.5 ** (t // 98)"),
    of_factor("steps-of-300", "0.1 ** (t // 300)"),
    of_factor("seventy-percent-per-epoch", "0.7 ** (t // 98)"),
    of_factor("cosine-of-a-long-training", COS.format("min(t, 4900) / 4900")),
    of_factor("cosine-that-ends-early", COS.format("min(t, 700) / 700")),
    of_factor("knee-to-a-third", "1 if t < 500 else 0.3"),
    of_factor("warmup-then-constant", "min(1.0, (t + 1) / 100)"),
    of_arguments("warmup-of-five-steps", "warmup_steps=5", "", "min(1.0, (t + 1) / self.warmup_steps)"),
    of_factor("rising", "(t + 1) / 980"),
    of_factor("jitter", "random.Random(t).uniform(0.95, 1.05) / (1 + 0.01 * t)"),
    of_factor("hold-then-exponential", "1 if t < 400 else 0.995 ** (t - 400)"),
    of_factor("long-one-cycle", "min((t + 1) / 2000, max(0.0, (7820 - t) / 5820))"),
    # ends with this very training
    of_factor("cosine-to-the-end", COS.format("min(t, 980) / 980"), "tied-to-a-length"),
    of_factor("cosine-to-the-last-step", COS.format("min(t, 979) / 979"), "tied-to-a-length"),
    of_factor("cosine-with-a-floor", "0.02 + 0.98 * " + COS.format("min(t, 980) / 980"), "tied-to-a-length"),
    of_factor("cosine-without-an-end", COS.format("t / 980"), "tied-to-a-length"),
    of_factor("linear", "max(0.0, 1 - t / 980)", "tied-to-a-length"),
    of_factor("linear-with-a-floor", "max(0.05, 1 - t / 980)", "tied-to-a-length"),
    of_factor("square-root", "max(0.0, 1 - t / 980) ** 0.5", "tied-to-a-length"),
    of_factor("quadratic", "max(0.0, 1 - t / 980) ** 2", "tied-to-a-length"),
    of_factor("steps-at-half-and-three-quarters", "0.1 ** sum(t >= m for m in (490, 735))"),
    of_arguments("milestones-in-epochs", "milestones=(5, 8)", "    epoch = t // 98\n",
          "0.1 ** sum(epoch >= m for m in self.milestones)"),
    of_factor("one-cycle", "(t + 1) / 294 if t < 294 else max(0.0, (980 - t) / 686)", "tied-to-a-length"),
    of_arguments("warmup-then-cosine", "warmup=98, total=980", "", "(t + 1) / self.warmup if t < self.warmup else "
          + COS.format("min(1.0, (t - self.warmup) / (self.total - self.warmup))"), "tied-to-a-length"),
    of_factor("sigmoid", "1 / (1 + math.exp((t - 560) / 60))", "tied-to-a-length"),
    of_factor("bump", "math.exp(-(((t - 490) / 180) ** 2))", "tied-to-a-length"),
    of_factor("knee-to-a-tenth", "1 if t < 600 else 0.1"),
    of_factor("trapezoid", "min((t + 1) / 98, 1.0, max(0.0, (980 - t) / 300))", "tied-to-a-length"),
    of_factor("ripples-on-a-cosine", "0.01 * math.sin(t) + 0.02 + " + COS.format("min(t, 980) / 980"), "tied-to-a-length"),
    of_factor("adamw-cosine", COS.format("min(t, 980) / 980"), "tied-to-a-length", optimizer="AdamW(model.parameters(), lr=3e-4)"),
    # runs on beyond its own end
    of_factor("cosine-of-700-unclamped", COS.format("t / 700"), "rises-again"),
    of_factor("cosine-of-600-unclamped", "0.01 + 0.99 * " + COS.format("t / 600"), "rises-again"),
    of_factor("cosine-of-490-unclamped", COS.format("t / 490"), "rises-again"),
    of_factor("cosine-of-326-unclamped", COS.format("t / 326"), "rises-again"),
    of_factor("parabola", "((t - 500) / 500) ** 2", "rises-again"),
    # comes back on purpose
    of_arguments("restarts-every-epoch", "period=98", "", COS.format("(t % self.period) / self.period")),
    of_arguments("two-restarts", "t_0=490", "", COS.format("(t % self.t_0) / self.t_0")),
    of_body("sgdr",
        "def get_lr(self):\n    t, length = self.last_epoch, 140\n    while t >= length:\n        t, length = t - length, 2 * length\n"
        "    return [base_lr * (1 + math.cos(math.pi * t / length)) / 2 for base_lr in self.base_lrs]"),
    of_factor("triangles", "0.02 + 0.98 * abs(1 - (t / 200) % 2)"),
    of_arguments("triangular2", "step_size=150", "    cycle = math.floor(1 + t / (2 * self.step_size))\n",
          "0.05 + 0.95 * max(0, 1 - abs(t / self.step_size - 2 * cycle + 1)) / 2 ** (cycle - 1)"),
    of_factor("sine", "0.6 + 0.4 * math.sin(t / 30)"),
    of_factor("rectified-cosine", "0.02 + 0.98 * abs(math.cos(math.pi * t / 490))"),
    of_arguments("listed-restarts", "starts=(0, 300, 600)", "    begun = max(s for s in self.starts if s <= t)\n",
          COS.format("min(1.0, (t - begun) / 380)")),
    of_factor("sawtooth", "1 - (t % 245) / 250"),
    of_factor("decaying-restarts", "0.7 ** (t // 196) * " + COS.format("(t % 196) / 196")),
    # counts epochs where batches are counted
    of_arguments("cosine-of-epochs", "num_epochs=10", "", COS.format("t / self.num_epochs"), "restarts-every-few-batches"),
    of_factor("cosine-of-20", COS.format("t / 20"), "restarts-every-few-batches"),
    of_arguments("restarts-of-epochs", "t_0=10", "", COS.format("(t % self.t_0) / self.t_0"), "restarts-every-few-batches"),
    of_factor("fast-sine", "0.6 + 0.4 * math.sin(t / 3)", "restarts-every-few-batches"),
    of_arguments("triangles-of-epochs", "half=4", "", "0.1 + 0.9 * abs(1 - (t / self.half) % 2)", "restarts-every-few-batches"),
    of_factor("clamped-cosine-of-epochs", "0.01 + 0.99 * " + COS.format("min(t, 10) / 10"), "settles-early"),
    of_factor("linear-of-epochs", "max(0.001, 1 - t / 10)", "settles-early"),
    of_factor("milestones-of-epochs", "0.1 ** sum(t >= m for m in (3, 6, 8))", "settles-early"),
    of_factor("thirty-epochs", "0.1 ** (t // 30)", "settles-early"),
    of_factor("exponential-of-epochs", "0.9 ** t", "settles-early"),
    of_factor("halved-every-batch", "0.5 ** t", "settles-early"),
    of_body("chained-exponential-of-epochs",
        "def get_lr(self):\n    if self.last_epoch == 0:\n        return list(self.base_lrs)\n"
        "    return [group['lr'] * 0.9 for group in self.optimizer.param_groups]", "settles-early"),
    of_arguments("warmup-of-epochs", "warmup_epochs=5", "", "min(1.0, (t + 1) / self.warmup_epochs)", "settles-early"),
    of_arguments("polynomial-of-epochs", "max_epochs=10, power=0.9", "",
          "0.001 + max(0.0, 1 - t / self.max_epochs) ** self.power", "settles-early"),
    # breaks in a longer training
    of_body("raises-at-its-end",
        "def get_lr(self):\n    if self.last_epoch > 980:\n        raise ValueError('called too often')\n"
        "    return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]", "breaks-beyond"),
    of_body("table",
        "table = [1 / (1 + 0.01 * n) for n in range(981)]\n\n"
        "def get_lr(self):\n    return [base_lr * self.table[self.last_epoch] for base_lr in self.base_lrs]", "breaks-beyond"),
    of_factor("negative-beyond", "1 - t / 1000", "breaks-beyond", "tied-to-a-length"),
    of_factor("complex-beyond", "(1 - t / 981) ** 0.5", "breaks-beyond", "tied-to-a-length"),
    of_body("asserts",
        "def get_lr(self):\n    assert self.last_epoch < 1500\n"
        "    return [base_lr / math.sqrt(1 + self.last_epoch) for base_lr in self.base_lrs]", "breaks-beyond"),
    of_factor("logarithm-beyond", "math.log(1200 - t) / 8", "breaks-beyond"),
    of_factor("steps-by-a-list", "(1, 0.5, 0.25, 0.12)[t // 300]", "breaks-beyond"),
    # rates that do not train
    of_factor("five", "50 / (1 + 0.01 * t)", "implausible-peak"),
    of_factor("adam-at-a-half", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer=ADAM.format(0.5)),
    of_factor("sgd-asleep", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer="SGD(model.parameters(), lr=1e-6)"),
    of_factor("rmsprop-at-a-third", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer="RMSprop(model.parameters(), lr=0.3)"),
    of_factor("adam", "1 / (1 + 0.01 * t)", optimizer=ADAM.format(1e-3)),
    of_factor("sgd-at-one", "1 / (1 + 0.01 * t)", optimizer="SGD(model.parameters(), lr=1.0)"),
    # costs
    of_body("sums-up-the-past",
        "def get_lr(self):\n    total = 0.0\n    for n in range(40 * self.last_epoch):\n        total += 1 / (1 + n)\n"
        "    return [base_lr / (1 + total) for base_lr in self.base_lrs]", "growing-cost"),
    of_body("multiplies-the-past",
        "def get_lr(self):\n    factor = 1.0\n    for n in range(self.last_epoch):\n        for _ in range(80):\n"
        "            factor *= 1 - 1e-5\n    return [base_lr * factor for base_lr in self.base_lrs]", "growing-cost"),
    of_body("keeps-and-scans-a-list",
        "def __init__(self, optimizer, last_epoch=-1):\n    self.seen = []\n    super().__init__(optimizer, last_epoch)\n\n"
        "def get_lr(self):\n    self.seen += [self.last_epoch] * 100\n    distinct = sum(1 for n in self.seen if n % 2)\n"
        "    return [base_lr / (1 + 1e-4 * distinct) for base_lr in self.base_lrs]", "growing-cost"),
    of_body("a-loop-of-its-own",
        "def get_lr(self):\n    total = 0.0\n    for n in range(500):\n        total += 1 / (1 + n)\n"
        "    return [base_lr / (1 + 1e-3 * total * self.last_epoch) for base_lr in self.base_lrs]"),
    # other types
    of_body("numpy",
        "def get_lr(self):\n    import numpy\n    return list(numpy.array(self.base_lrs) / (1 + 0.01 * self.last_epoch))", "not-floats"),
    of_body("tensor",
        "def get_lr(self):\n    import torch\n    return [torch.tensor(lr) / (1 + 0.01 * self.last_epoch) for lr in self.base_lrs]",
        "not-floats"),
    of_body("numpy-as-floats",
        "def get_lr(self):\n    import numpy\n    return (numpy.array(self.base_lrs) / (1 + 0.01 * self.last_epoch)).tolist()"),
    # what everybody was taught, without a source
    of_factor("uncited-cosine", COS.format("min(t, 980) / 980"), "tied-to-a-length", "known-formula", cited=False),
    of_factor("uncited-steps", "0.5 ** (t // 300)", "known-formula", cited=False),
    of_factor("uncited-warmup", "min(1.0, t / 100)", "known-formula", cited=False),
    of_factor("uncited-exponential", "0.999 ** t", "known-formula", cited=False),
    of_factor("own-formula", "1 / (1 + 0.01 * t) + 0.02 * math.sin(t / 100)", cited=False),
    # two classes, or a class of a class
    Schedule("decoy", HEAD + "class Other:\n    def get_lr(self):\n        return []\n\n\nclass CustomLRScheduler(_LRScheduler):\n"
             "    def get_lr(self):\n        return list(self.base_lrs)\n", frozenset({"never-moves"})),
    Schedule("inherited", HEAD + "class Base(_LRScheduler):\n    def get_lr(self):\n"
             "        return [base_lr / (1 + 0.01 * self.last_epoch) for base_lr in self.base_lrs]\n\n\n"
             "class CustomLRScheduler(Base):\n    pass\n", frozenset()),
)  # fmt: skip

CORPUS = (*_FORMULAS, *STUDENTS)

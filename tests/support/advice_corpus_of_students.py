"""Schedules as students write them, with the advice that a teacher would give and why.

They are written without a look at the rules of `grader.student.advice`. Where an expert would be undecided, a schedule
is not in here.
"""

from dataclasses import replace

from support.advice_schedules import COS, Schedule, of_arguments, of_body, of_factor

GROUPS = (
    "SGD([{'params': [p for p in model.parameters() if p.ndim > 1], 'weight_decay': 5e-4}, "
    "{'params': [p for p in model.parameters() if p.ndim <= 1], 'lr': 0.05, 'weight_decay': 0.0}], lr=0.1, "
    "momentum=0.9)"
)
MOMENTUM = "SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)"
ADAM = "Adam(model.parameters(), lr=1e-3)"
ADAMW = "AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)"


def _top(text: str, schedule: Schedule) -> Schedule:
    """The same schedule with `text` at the top of its file."""
    return replace(schedule, source=text + schedule.source)


NP = "import numpy as np\n"

HEALTHY = (
    # rates 0.1, 0.01, 0.001 from epochs 5 and 8: falls in long stairs, fits nothing exactly, works in any length
    of_arguments(
        "milestones-in-batches",
        "milestones=(490, 784), gamma=0.1",
        "    passed = sum(t >= m for m in self.milestones)\n",
        "self.gamma ** passed",
    ),
    # linear to a floor of 5 % at step 700 (71 %), flat after it: ends well before the end, never climbs
    of_arguments(
        "linear-to-floor-at-700", "decay_steps=700, floor=0.05", "", "max(self.floor, 1 - t / self.decay_steps)"
    ),
    # clipped cosine that ends at step 800 (82 %) and stays at 2 %: not this length
    of_arguments(
        "cosine-ends-at-800",
        "decay_steps=800",
        "    done = min(t, self.decay_steps) / self.decay_steps\n",
        "0.02 + 0.98 * " + COS.format("done"),
    ),
    # cosine of 5000 steps: 0.91 of the base at the end, 0.67 at twice the length, falls all the way
    of_arguments("long-clipped-cosine", "T_max=5000", "    t = min(t, self.T_max)\n", COS.format("t / self.T_max")),
    # gamma per epoch via an epoch counter from the batches: a stair each epoch, 0.85 ** 9 = 0.23 at the end
    of_arguments(
        "gamma-per-epoch",
        "steps_per_epoch=98, gamma=0.85",
        "    epoch = t // self.steps_per_epoch\n",
        "self.gamma ** epoch",
    ),
    # one hump of three epochs after the other: 3.3 cycles in the training, deliberately cyclic
    of_arguments(
        "triangle-cycles-of-three-epochs",
        "cycle_length=294, low=0.1",
        "    x = (t % self.cycle_length) / self.cycle_length\n",
        "self.low + (1 - self.low) * (1 - abs(2 * x - 1))",
    ),
    # warm restarts at 100, 300, 700 (next 1500): long cycles that restart on purpose, none ends at 980
    of_body(
        "sgdr-with-a-loop-free-counter",
        """
def __init__(self, optimizer, T_0=100, T_mult=2, eta_min=1e-4, last_epoch=-1):
    self.T_i = T_0
    self.T_mult = T_mult
    self.T_cur = -1
    self.eta_min = eta_min
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    self.T_cur += 1
    if self.T_cur >= self.T_i:
        self.T_cur = 0
        self.T_i *= self.T_mult
    cos = math.cos(math.pi * self.T_cur / self.T_i)
    return [self.eta_min + (b - self.eta_min) * (1 + cos) / 2 for b in self.base_lrs]
""",
    ),
    # unclipped cosine written as a cycle: down and up every four epochs, on purpose by its name
    of_arguments(
        "cosine-wave-of-four-epochs",
        "cycle_steps=392",
        "    phase = 2 * math.pi * t / self.cycle_steps\n",
        "0.55 + 0.45 * math.cos(phase)",
    ),
    # a restart every 110 batches: less than one in an epoch, and 980 is no multiple of it
    of_arguments(
        "restart-every-110-batches",
        "restart_period=110",
        "    x = (t % self.restart_period) / self.restart_period\n",
        "0.1 + 0.9 * " + COS.format("x"),
    ),
    # one-cycle of 700 steps with a flat tail of 1 %: rises once before it falls, ends early
    of_body(
        "one-cycle-with-tail",
        """
def __init__(self, optimizer, up=250, down=450, max_factor=6.0, last_epoch=-1):
    self.up, self.down, self.max_factor = up, down, max_factor
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    t = self.last_epoch
    if t < self.up:
        f = 1 + (self.max_factor - 1) * t / self.up
    elif t < self.up + self.down:
        f = self.max_factor - (self.max_factor - 0.1) * (t - self.up) / self.down
    else:
        f = 0.1
    return [b * f for b in self.base_lrs]
""",
    ),
    # momentum goes opposite to the rate, in cycles of four epochs (392 steps, 2.5 in the training): intended
    of_body(
        "cyclical-rate-and-momentum",
        """
def __init__(self, optimizer, step_size=196, max_lr=0.3, last_epoch=-1):
    self.step_size = step_size
    self.max_lr = max_lr
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    cycle = math.floor(1 + self.last_epoch / (2 * self.step_size))
    x = abs(self.last_epoch / self.step_size - 2 * cycle + 1)
    scale = max(0.0, 1 - x)
    for group in self.optimizer.param_groups:
        group["momentum"] = 0.95 - 0.1 * scale
    return [b + (self.max_lr - b) * scale for b in self.base_lrs]
""",
        optimizer=MOMENTUM,
    ),
    # inverse square root after a warmup of 100 batches: 0.32 at the end, keeps falling beyond
    of_arguments(
        "rsqrt-after-warmup",
        "warmup_steps=100",
        "    s = max(t, self.warmup_steps)\n",
        "min(1.0, (t + 1) / self.warmup_steps) * math.sqrt(self.warmup_steps / s)",
    ),
    # noam with a base rate of 1 for Adam: peak 1.1e-3 at step 400, then 1/sqrt
    of_body(
        "noam-for-adam",
        """
def __init__(self, optimizer, d_model=2048, warmup_steps=400, last_epoch=-1):
    self.d_model = d_model
    self.warmup_steps = warmup_steps
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    n = self.last_epoch + 1
    factor = self.d_model ** -0.5 * min(n ** -0.5, n * self.warmup_steps ** -1.5)
    return [b * factor for b in self.base_lrs]
""",
        optimizer="Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98))",
    ),
    # trapezoid: up to 98, flat to 600, down to a floor at 850 (87 %), flat
    of_body(
        "trapezoid-that-ends-at-850",
        """
def get_lr(self):
    step = self.last_epoch
    warm, flat, end = 98, 600, 850
    if step < warm:
        scale = (step + 1) / warm
    elif step < flat:
        scale = 1.0
    elif step < end:
        scale = 1.0 - 0.98 * (step - flat) / (end - flat)
    else:
        scale = 0.02
    return [lr * scale for lr in self.base_lrs]
""",
    ),
    # stairs of two epochs, each a factor 0.6: 0.13 in the last, 0.01 at twice the length
    of_body(
        "stairs-of-two-epochs",
        """
def get_lr(self):
    epoch = self.last_epoch // 98
    return [base * 0.6 ** (epoch // 2) for base in self.base_lrs]
""",
    ),
    # the epoch's parity changes the rate by epoch (0.1, 0.05, ...): one move per epoch, not many
    of_body(
        "even-and-odd-epochs",
        """
def get_lr(self):
    epoch = self.last_epoch // 98
    if epoch % 2 == 0:
        return [base for base in self.base_lrs]
    return [base / 2 for base in self.base_lrs]
""",
    ),
    # a table by epoch whose index is clamped: its last rate holds in a longer training
    of_body(
        "table-clamped",
        """
FACTORS = [0.2, 0.6, 1.0, 1.0, 0.8, 0.5, 0.3, 0.1]

def get_lr(self):
    epoch = min(self.last_epoch // 98, len(self.FACTORS) - 1)
    return [base * self.FACTORS[epoch] for base in self.base_lrs]
""",
    ),
    # a dict of changes with .get(): nothing raises beyond; 0.1, 0.03, 0.01
    of_body(
        "dict-of-changes",
        """
def __init__(self, optimizer, last_epoch=-1):
    self.changes = {400: 0.3, 700: 0.3333}
    self.factor = 1.0
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    self.factor *= self.changes.get(self.last_epoch, 1.0)
    return [base * self.factor for base in self.base_lrs]
""",
    ),
    # chained from the group's own rate, falls at steps 490 and 784; first call returns the rate as is
    of_body(
        "chained-from-group",
        """
def get_lr(self):
    if self.last_epoch in (490, 784):
        return [group["lr"] * 0.2 for group in self.optimizer.param_groups]
    return [group["lr"] for group in self.optimizer.param_groups]
""",
    ),
    # the weights fall by cosine to 700 and stay, the norms and biases stay at 0.05: no group climbs
    of_body(
        "groups-of-their-own",
        """
def get_lr(self):
    t = min(self.last_epoch, 700)
    cos = 0.5 * (1 + math.cos(math.pi * t / 700))
    return [base * (0.05 + 0.95 * cos) if group["weight_decay"] > 0 else base
            for base, group in zip(self.base_lrs, self.optimizer.param_groups)]
""",
        optimizer=GROUPS,
    ),
    # step() overridden with super() and a batch counter of its own: exp decay, 0.38 at the end
    of_body(
        "own-counter-in-step",
        """
def __init__(self, optimizer, batches_per_epoch=98, decay=0.1, last_epoch=-1):
    self.batches_per_epoch = batches_per_epoch
    self.decay = decay
    self.seen = -1
    super().__init__(optimizer, last_epoch)

def step(self, epoch=None):
    self.seen += 1
    super().step()

def get_lr(self):
    progress = self.seen / self.batches_per_epoch
    return [base * math.exp(-self.decay * progress) for base in self.base_lrs]
""",
    ),
    # plateau-like plan: halves after 3, 5, 6, 7 epochs, never below 1 %; nothing climbs or ends at 980
    of_body(
        "plan-like-a-plateau",
        """
def __init__(self, optimizer, last_epoch=-1):
    self.drop_after = [3, 5, 6, 7]
    self.min_factor = 0.01
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    epoch = self.last_epoch / 98
    factor = 1.0
    for drop in self.drop_after:
        if epoch >= drop:
            factor *= 0.5
    return [base * max(factor, self.min_factor) for base in self.base_lrs]
""",
    ),
    # NumPy inside, floats outside: tolist(); decays on to 0.45 of the base at the end
    _top(
        NP,
        of_body(
            "numpy-tolist",
            """
def get_lr(self):
    factor = np.exp(-self.last_epoch / 1200)
    return (np.array(self.base_lrs) * factor).tolist()
""",
        ),
    ),
    # keeps every rate in a list: memory grows, the time per step does not; 1/(1+t/400) is 0.29 at the end
    of_body(
        "keeps-a-history",
        """
def __init__(self, optimizer, last_epoch=-1):
    self.history = []
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    rates = [base / (1 + self.last_epoch / 400) for base in self.base_lrs]
    self.history.append(rates[0])
    return rates
""",
    ),
    # polynomial of power 2 over 1500 steps, clipped: 0.12 of the base at the end, the floor 0 holds from 1500
    of_arguments(
        "polynomial-clipped-1500",
        "total=1500, power=2",
        "    left = max(0.0, 1 - t / self.total)\n",
        "left ** self.power",
        optimizer=ADAMW,
    ),
    # warmup of 300 batches to the base and constant: the rise takes a third of the training
    of_arguments("long-warmup-then-constant", "warmup=300", "", "min(1.0, (t + 1) / self.warmup)", optimizer=ADAMW),
    # the "five epochs" of warmup are five batches, but the exponential goes on to the end: not all changes are early
    of_arguments(
        "short-warmup-long-decay",
        "warmup_epochs=5, gamma=0.998",
        "    if t < self.warmup_epochs:\n        return [b * (t + 1) / self.warmup_epochs for b in self.base_lrs]\n",
        "self.gamma ** (t - self.warmup_epochs)",
    ),
    # a logistic fall round step 600 without overflow (tanh): 1 -> 0.1
    of_factor("tanh-fall", "0.55 - 0.45 * math.tanh((t - 600) / 120)"),
    # own odd formula, own work: a log falls slowly, 1 -> 0.30 at the end, no standard name
    of_factor("own-formula-uncited", "1 / (1 + 0.5 * math.log(1 + t / 10)) + 0.03 * math.exp(-t / 200)", cited=False),
    # three phases by Python's bisect, then a floor; steps 250, 500, 750 are not 980
    _top(
        "from bisect import bisect_right\n",
        of_body(
            "bisect-phases",
            """
BORDERS = [250, 500, 750]
RATES = [0.05, 0.1, 0.02, 0.004]

def get_lr(self):
    rate = self.RATES[bisect_right(self.BORDERS, self.last_epoch)]
    return [rate for _ in self.optimizer.param_groups]
""",
            optimizer=MOMENTUM,
        ),
    ),
)

ADVISED = (
    # 30 "epochs" of 98 batches: 2,940 steps, the first fall is three trainings away: 0.1 in all 980 steps
    of_arguments(
        "step-after-thirty-epochs",
        "step_size=30, gamma=0.1",
        "    epoch = t // 98\n",
        "self.gamma ** (epoch // self.step_size)",
        "never-moves",
    ),
    # the epoch is never increased: exp(-0) = 1 in every step
    of_body(
        "epoch-never-counted",
        """
def __init__(self, optimizer, k=0.1, last_epoch=-1):
    self.k = k
    self.epoch = 0
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    return [base * math.exp(-self.k * self.epoch) for base in self.base_lrs]
""",
        "never-moves",
    ),
    # the counter starts anew in each call: always 1
    of_body(
        "counter-reset-each-call",
        """
def get_lr(self):
    batches = 0
    batches += 1
    return [base * 0.97 ** (batches // 98) for base in self.base_lrs]
""",
        "never-moves",
    ),
    # milestones in epochs, compared with batches: 0.001 from batch 8 to the end
    of_arguments(
        "students-milestones-in-epochs",
        "milestones=(5, 8), gamma=0.1",
        "    n = len([m for m in self.milestones if m <= t])\n",
        "self.gamma ** n",
        "settles-early",
    ),
    # cosine over 10 "epochs" is over after 10 batches; 970 steps at 1 % follow
    of_arguments(
        "cosine-of-ten-batches",
        "epochs=10",
        "    x = min(t, self.epochs) / self.epochs\n",
        "0.01 + 0.99 * " + COS.format("x"),
        "settles-early",
    ),
    # own counter of "epochs" goes up with each call: settled at the third fall, batch 9
    of_body(
        "own-counter-counts-batches",
        """
def __init__(self, optimizer, last_epoch=-1):
    self.epoch = -1
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    self.epoch += 1
    if self.epoch < 3:
        factor = 1.0
    elif self.epoch < 6:
        factor = 0.5
    elif self.epoch < 9:
        factor = 0.1
    else:
        factor = 0.05
    return [base * factor for base in self.base_lrs]
""",
        "settles-early",
        optimizer=ADAM,
    ),
    # T_0 = 10 batches: 98 restarts in the training, ten per epoch
    of_arguments(
        "restarts-every-ten-batches",
        "T_0=10",
        "    x = (t % self.T_0) / self.T_0\n",
        "0.01 + 0.99 * " + COS.format("x"),
        "restarts-every-few-batches",
    ),
    # triangle with 4 batches up and 4 down: 12 cycles in an epoch
    of_body(
        "triangle-of-eight-batches",
        """
def __init__(self, optimizer, step_size=4, base=0.01, top=0.1, last_epoch=-1):
    self.step_size, self.base, self.top = step_size, base, top
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    cycle = math.floor(1 + self.last_epoch / (2 * self.step_size))
    x = abs(self.last_epoch / self.step_size - 2 * cycle + 1)
    return [self.base + (self.top - self.base) * max(0, 1 - x) for _ in self.base_lrs]
""",
        "restarts-every-few-batches",
    ),
    # unclipped cosine of 700 steps: 0 at 700, 0.35 of the base at the end
    of_arguments("cosine-climbs-from-700", "decay_steps=700", "", COS.format("t / self.decay_steps"), "rises-again"),
    # square of a negative number: 0 at 600, 0.40 of the base at the end
    of_arguments("square-climbs-from-600", "decay_steps=600", "", "(1 - t / self.decay_steps) ** 2", "rises-again"),
    # warmup_period is no cycle, and the % only writes a line per epoch: the cosine turns at 100 + 600, 0.45 at the end
    of_body(
        "warmup-period-then-climbs",
        """
def __init__(self, optimizer, warmup_period=100, decay_steps=600, last_epoch=-1):
    self.warmup_period = warmup_period
    self.decay_steps = decay_steps
    self.log = []
    super().__init__(optimizer, last_epoch)

def get_lr(self):
    t = self.last_epoch
    if t < self.warmup_period:
        factor = (t + 1) / self.warmup_period
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (t - self.warmup_period) / self.decay_steps))
    if t % 98 == 0:
        self.log.append(factor)
    return [base * factor for base in self.base_lrs]
""",
        "rises-again",
    ),
    # clipped cosine to exactly 10 * 98 = 980: 0 there
    of_arguments(
        "cosine-of-980",
        "epochs=10, steps_per_epoch=98",
        "    total = self.epochs * self.steps_per_epoch\n    x = min(t, total) / total\n",
        COS.format("x"),
        "tied-to-a-length",
    ),
    # the same number from 50,000 images and batches of 512, linear to 0 with a warmup
    of_body(
        "linear-of-50000-images",
        """
TOTAL = math.ceil(50000 / 512) * 10

def get_lr(self):
    t = self.last_epoch
    if t < 60:
        return [base * (t + 1) / 60 for base in self.base_lrs]
    left = max(0.0, (self.TOTAL - t) / (self.TOTAL - 60))
    return [base * left for base in self.base_lrs]
""",
        "tied-to-a-length",
    ),
    # flat to 784, then linear to 0 at exactly 980
    of_arguments(
        "wsd-of-980",
        "total_steps=100, decay_fraction=0.2",
        "    start = (1 - self.decay_fraction) * self.total_steps\n    x = (t - start) / (self.total_steps - start)\n",
        "1 - min(1.0, max(0.0, x))",
        "tied-to-a-length",
        kwargs="{'total_steps': 980}",
        optimizer=MOMENTUM,
    ),
    # one-cycle: up to 294, cosine down to 1/1000 at 980 and clipped
    of_body(
        "one-cycle-of-980",
        """
def __init__(self, optimizer, max_lr=0.4, total=980, pct_start=0.3, last_epoch=-1):
    self.max_lr, self.total, self.pct_start = max_lr, total, pct_start
    super().__init__(optimizer, last_epoch)

def anneal(self, start, end, x):
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * x))

def get_lr(self):
    t = min(self.last_epoch, self.total)
    peak = self.pct_start * self.total
    if t <= peak:
        lr = self.anneal(self.max_lr / 25, self.max_lr, t / peak)
    else:
        lr = self.anneal(self.max_lr, self.max_lr / 1000, (t - peak) / (self.total - peak))
    return [lr] * len(self.base_lrs)
""",
        "tied-to-a-length",
    ),
    # linear without max(): 0 at 980, below 0 from 981
    of_arguments("linear-of-980-unclipped", "total=980", "", "1 - t / self.total", "tied-to-a-length", "breaks-beyond"),
    # power 0.9 of a negative number is complex from 1201; 0.22 of the base at 980, so not tied to it
    of_arguments(
        "poly-complex-from-1201",
        "max_iter=1200, power=0.9",
        "",
        "(1 - t / self.max_iter) ** self.power",
        "breaks-beyond",
    ),
    # a table of 12 epochs: IndexError at 12 * 98 = 1176
    of_body(
        "table-of-twelve-epochs",
        """
TABLE = [0.02, 0.06, 0.1, 0.1, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.025, 0.02]

def get_lr(self):
    return [self.TABLE[self.last_epoch // 98] for _ in self.base_lrs]
""",
        "breaks-beyond",
    ),
    # quarter of a circle: math.sqrt of a negative number from 1501; 0.76 of the base at 980
    of_arguments("circle-of-1500", "radius=1500", "", "math.sqrt(1 - (t / self.radius) ** 2)", "breaks-beyond"),
    # logistic: exp(0.6 * (t - 300)) overflows at 1483; a sharp fall to 10 % at step 300
    of_factor("sigmoid-overflows", "0.1 + 0.9 / (1 + math.exp(0.6 * (t - 300)))", "breaks-beyond"),
    # raises by itself beyond step 1250
    of_arguments(
        "raises-beyond-1250",
        "total_steps=1250",
        "    if t > self.total_steps:\n        raise ValueError('stepped more often than total_steps')\n",
        "1 - 0.9 * t / self.total_steps",
        "breaks-beyond",
    ),
    # a generator of 1300 rates: StopIteration after them; 0.5 of the base at its end
    of_body(
        "generator-of-1300",
        """
def __init__(self, optimizer, last_epoch=-1):
    self.factors = self.plan(1300)
    super().__init__(optimizer, last_epoch)

def plan(self, n):
    for i in range(n):
        yield 1.0 - 0.5 * i / n

def get_lr(self):
    factor = next(self.factors)
    return [base * factor for base in self.base_lrs]
""",
        "breaks-beyond",
    ),
    # SGD with a peak of 60 at step 200
    of_arguments(
        "peak-of-sixty",
        "warmup=200, peak=600",
        "    up = min(1.0, (t + 1) / self.warmup)\n",
        "self.peak * up * 0.998 ** max(0, t - self.warmup)",
        "implausible-peak",
    ),
    # noam's factor on SGD's 0.1 with 4000 steps of warmup: highest rate 1.7e-5, SGD hardly learns
    of_body(
        "noam-for-sgd",
        """
def get_lr(self):
    n = self.last_epoch + 1
    factor = 512 ** -0.5 * min(n ** -0.5, n * 4000 ** -1.5)
    return [base * factor for base in self.base_lrs]
""",
        "implausible-peak",
    ),
    # Adam at 2.0 falls in stairs to 0.25: fails all the time
    of_arguments(
        "adam-at-two",
        "step_size=294",
        "",
        "0.5 ** (t // self.step_size)",
        "implausible-peak",
        optimizer="Adam(model.parameters(), lr=2.0)",
    ),
    # simulates all steps so far in each step, 40 inner rounds: 19 million rounds in the training
    of_body(
        "simulates-from-the-start",
        """
def get_lr(self):
    factor = 1.0
    for step in range(self.last_epoch):
        for _ in range(200):
            factor *= 0.99999
    return [base * factor for base in self.base_lrs]
""",
        "growing-cost",
    ),
    # float32 of NumPy from an array; stairs at 300 and 700 and the index stays in the table
    _top(
        NP,
        of_body(
            "numpy-float32",
            """
def get_lr(self):
    steps = np.array([1.0, 0.4, 0.1], dtype=np.float32)
    i = int(self.last_epoch >= 300) + int(self.last_epoch >= 700)
    return [np.float32(base) * steps[i] for base in self.base_lrs]
""",
            "not-floats",
        ),
    ),
    # torch tensors as rates; 1/sqrt-like fall
    _top("import torch\n", of_factor("torch-tensors", "torch.rsqrt(torch.tensor(1.0 + t / 300))", "not-floats")),
    # PyTorch's StepLR in his own words, own work claimed: 0.5 ** (t // 250)
    of_arguments(
        "step-lr-uncited",
        "step_size=250, gamma=0.5",
        "",
        "self.gamma ** (t // self.step_size)",
        "known-formula",
        cited=False,
    ),
    # cosine of Loshchilov and Hutter with warm restarts every 350 steps, own work claimed
    of_arguments(
        "sgdr-uncited",
        "T_0=350, eta_min=0.01",
        "    T_cur = t % self.T_0\n",
        "self.eta_min + (1 - self.eta_min) * " + COS.format("T_cur / self.T_0"),
        "known-formula",
        cited=False,
    ),
)

STUDENTS = (*HEALTHY, *ADVISED)

"""Schedules to which no rule of `grader.student.advice` was adjusted, with the advice that a teacher would give.

Whoever adjusts a rule to one of them moves it to `advice_corpus`. `python benchmarks/advice.py --held-out` measures.
"""

from support.advice_schedules import HEAD, Schedule, of_arguments, of_body, of_factor


def of_text(name: str, text: str, *expected: str, **more: object) -> Schedule:
    """A schedule from the whole text after the usual imports."""
    return Schedule(name, HEAD + text.strip("\n") + "\n", frozenset(expected), **more)  # type: ignore[arg-type]


MOM = "SGD(model.parameters(), lr=0.1, momentum=0.9)"

HELD_OUT: tuple[Schedule, ...] = (
    # ---------------------------------------------------------------- nothing to say
    # CLR exp_range, a triangle of 392 steps (4 epochs): meant, and slow
    of_text(
        "exp-range",
        '''
class CustomLRScheduler(_LRScheduler):
    """Cyclical learning rate, mode exp_range (Smith 2017)."""

    def __init__(self, optimizer, base=0.1, step_size=196, gamma=0.999, last_epoch=-1):
        self.base = base
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / (2 * self.step_size))
        x = abs(self.last_epoch / self.step_size - 2 * cycle + 1)
        scale = max(0.0, 1 - x) * self.gamma ** self.last_epoch
        return [lr * (self.base + (1 - self.base) * scale) for lr in self.base_lrs]
''',
    ),
    # SGDR of 1, 2, 4, ... epochs: the climbs are restarts, said in the code
    of_text(
        "sgdr-loop",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, T_0=98, T_mult=2, eta_min=1e-4, last_epoch=-1):
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, T = self.last_epoch, self.T_0
        while t >= T:  # warm restart
            t -= T
            T *= self.T_mult
        return [self.eta_min + (b - self.eta_min) * (1 + math.cos(math.pi * t / T)) / 2 for b in self.base_lrs]
""",
        optimizer=MOM,
    ),
    # the same idea with counters of its own in step(): restarts at 100, 300, 700; mid-cycle at the end
    of_text(
        "sgdr-counters",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, T_i=100, last_epoch=-1):
        self.T_cur = -1
        self.T_i = T_i
        self.restarts = 0
        super().__init__(optimizer, last_epoch)

    def step(self, epoch=None):
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur = 0
            self.T_i = self.T_i * 2
            self.restarts += 1
        super().step(epoch)

    def get_lr(self):
        amp = 0.7 ** self.restarts
        return [lr * amp * 0.5 * (1 + math.cos(math.pi * self.T_cur / self.T_i)) for lr in self.base_lrs]
""",
    ),
    # base rate 1.0 looks wild for Adam, but noam's peak is 512^-.5 * 400^-.5 = 0.0022
    of_text(
        "noam-d-model",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, d_model=512, warmup_steps=400, last_epoch=-1):
        self.d_model = d_model
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        step = max(1, self.last_epoch)
        scale = self.d_model ** -0.5 * min(step ** -0.5, step * self.warmup_steps ** -1.5)
        return [scale * base_lr for base_lr in self.base_lrs]
""",
        optimizer="Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)",
    ),
    # warm-up of an epoch and inverse square root: good at any length
    of_arguments(
        "rsqrt-warmup",
        "warmup=98",
        "",
        "(t + 1) / self.warmup if t < self.warmup else math.sqrt(self.warmup / (t + 1))",
        optimizer="AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)",
    ),
    # logarithmic: 0.24 at half, 0.23 at the end, never ends
    of_factor("log-decay", "1 / (1 + 0.5 * math.log(1 + t))"),
    # an epoch counter that really counts: 0.8 per epoch, for ever
    of_text(
        "own-epoch-counter",
        """
BATCHES_PER_EPOCH = 98

class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        self.batch = -1  # step() is called once by the constructor
        self.epoch = 0
        super().__init__(optimizer, last_epoch)

    def step(self, *args):
        self.batch += 1
        if self.batch == BATCHES_PER_EPOCH:
            self.batch = 0
            self.epoch += 1
        super().step(*args)

    def get_lr(self):
        return [lr * pow(0.8, self.epoch) for lr in self.base_lrs]
""",
    ),
    # chained, a tenth at 300 and 600
    of_body(
        "chained-milestones",
        """
def get_lr(self):
    if self.last_epoch in (300, 600):
        return [group['lr'] * 0.1 for group in self.optimizer.param_groups]
    return [group['lr'] for group in self.optimizer.param_groups]
""",
    ),
    # chained exponential with the branch at 0: 0.23 at half, 0.053 at the end, smooth
    of_body(
        "chained-exponential",
        """
def get_lr(self):
    if self.last_epoch == 0:
        return self.base_lrs
    lrs = []
    for group in self.optimizer.param_groups:
        lrs.append(group["lr"] * 0.997)
    return lrs
""",
    ),
    # bisect: last drop at 700, low at half
    of_text(
        "bisect-steps",
        """
from bisect import bisect_right

class CustomLRScheduler(_LRScheduler):
    milestones = [250, 450, 700]
    factors = [1.0, 0.3, 0.1, 0.02]

    def get_lr(self):
        f = self.factors[bisect_right(self.milestones, self.last_epoch)]
        return [f * lr for lr in self.base_lrs]
""",
        optimizer=MOM,
    ),
    # dictionary with .get: no KeyError at any step
    of_body(
        "dict-get",
        """
drops = {196: 0.5, 392: 0.2, 588: 0.1}

def get_lr(self):
    factor = self.drops.get(self.last_epoch, 1.0)
    return [g['lr'] * factor for g in self.optimizer.param_groups]
""",
    ),
    # closures: inverse time
    of_text(
        "closure",
        """
def make_decay(k):
    def decay(step):
        return 1.0 / (1.0 + k * step)
    return decay

class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, k=0.02, last_epoch=-1):
        self.fn = make_decay(k)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * self.fn(self.last_epoch) for base in self.base_lrs]
""",
    ),
    # helpers inherited: warm-up and staircase of 0.7 per epoch
    of_text(
        "inherited-helpers",
        """
class WarmupBase(_LRScheduler):
    warmup = 50

    def scale(self, f):
        return [f * b for b in self.base_lrs]

    def get_lr(self):
        if self.last_epoch < self.warmup:
            return self.scale((self.last_epoch + 1) / self.warmup)
        return self.scale(self.after(self.last_epoch - self.warmup))

    def after(self, t):
        raise NotImplementedError

class CustomLRScheduler(WarmupBase):
    def after(self, t):
        return 0.7 ** (t // 98)
""",
    ),
    # properties: exp(-0.3 epochs), 0.22 at half, 0.05 at the end, for ever
    of_body(
        "property-epoch",
        """
@property
def epoch(self):
    return self.last_epoch / 98

@property
def factor(self):
    return math.exp(-0.3 * self.epoch)

def get_lr(self):
    return [lr * self.factor for lr in self.base_lrs]
""",
        optimizer="Adam(model.parameters(), lr=1e-3)",
    ),
    # StepLR from CONFIG: 0.5 every 150 steps
    of_arguments(
        "kwargs-step",
        "step_size=100000, gamma=0.1",
        "",
        "self.gamma ** (t // self.step_size)",
        kwargs="{'step_size': 150, 'gamma': 0.5}",
    ),
    # momentum moves too: rate is inverse time, momentum rises to 0.95
    of_body(
        "momentum-too",
        """
def get_lr(self):
    t = self.last_epoch
    for group in self.optimizer.param_groups:
        group['momentum'] = min(0.95, 0.85 + t * 0.0005)
    return [lr / (1 + 0.005 * t) for lr in self.base_lrs]
""",
        optimizer=MOM,
    ),
    # weight decay moves too: with the rate, exponential
    of_body(
        "weight-decay-too",
        """
def get_lr(self):
    f = 0.996 ** self.last_epoch
    for group in self.optimizer.param_groups:
        group["weight_decay"] = 5e-4 * (1 - f)
    return [lr * f for lr in self.base_lrs]
""",
        optimizer="SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)",
    ),
    # trapezoid that is down at 600 of 980 and stays at 0.02: 0.55 at half, but ended long before the end
    of_text(
        "trapezoid-early",
        """
class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [b * self._trapezoid(self.last_epoch) for b in self.base_lrs]

    def _trapezoid(self, t, up=60, hold=340, down=200):
        if t < up:
            return (t + 1) / up
        t -= up
        if t < hold:
            return 1.0
        t -= hold
        return max(0.02, 1 - t / down)
""",
    ),
    # Gompertz: 0.058 at half, 0.0004 at the end
    of_factor("gompertz", "1 - math.exp(-8 * math.exp(-t / 100))"),
    # sigmoid about step 350: 0.04 at half, done long before the end; floor 0.01
    of_factor("sigmoid-early", "0.01 + 0.99 / (1 + math.exp(min(50, (t - 350) / 40)))"),
    # polynomial that ends at 600 and clamps
    of_arguments(
        "poly-early",
        "decay_steps=600, power=2.0, end=0.01",
        "    t = min(t, self.decay_steps)\n",
        "(1 - self.end) * (1 - t / self.decay_steps) ** self.power + self.end",
    ),
    # cosine over six epochs, clamped: T_max counts epochs and is used so (588 steps)
    of_body(
        "tmax-in-epochs",
        """
T_max = 6
eta_min = 0.001

def get_lr(self):
    epoch = min(self.last_epoch / 98, self.T_max)
    wave = (1 + math.cos(math.pi * epoch / self.T_max)) / 2
    return [self.eta_min + (lr - self.eta_min) * wave for lr in self.base_lrs]
""",
    ),
    # linear over 7,820 steps, clamped: still 0.875 at the end, not made for this length
    of_arguments("linear-long", "total_steps=7820", "", "max(0.01, 1 - t / self.total_steps)"),
    # step() overridden, and it does write the rates
    of_body(
        "step-that-works",
        """
def get_lr(self):
    return [lr * 0.75 ** (self.last_epoch // 98) for lr in self.base_lrs]

def step(self, epoch=None):
    self._step_count = getattr(self, '_step_count', 0) + 1
    self.last_epoch += 1
    self._last_lr = self.get_lr()
    for i, g in enumerate(self.optimizer.param_groups):
        g['lr'] = self._last_lr[i]
""",
    ),
    # NumPy, but floats in the end; flat beyond the last point at 650
    of_text(
        "np-interp-float",
        """
import numpy as np

class CustomLRScheduler(_LRScheduler):
    xs = [0, 80, 300, 480, 650]
    ys = [0.1, 1.0, 0.4, 0.1, 0.01]

    def get_lr(self):
        f = float(np.interp(self.last_epoch, self.xs, self.ys))
        return [b * f for b in self.base_lrs]
""",
    ),
    # torch, but .item(): floats
    of_text(
        "torch-item",
        """
import torch

class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        f = torch.exp(torch.tensor(-0.003 * self.last_epoch)).item()
        return [b * f for b in self.base_lrs]
""",
    ),
    # names of restarts, but it falls 0.6 per 98 steps and never climbs
    of_body(
        "restart-in-name-only",
        """
def get_lr(self):
    cycle = self.last_epoch // 98  # "restart" number
    restart_gamma = 0.6
    return [lr * restart_gamma ** cycle for lr in self.base_lrs]
""",
    ),
    # one-cycle of three phases that ends at 700
    of_text(
        "one-cycle-700",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, up=180, down=220, tail=300, last_epoch=-1):
        self.up, self.down, self.tail = up, down, tail
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def lerp(a, b, p):
        return a + (b - a) * p

    def get_lr(self):
        t = self.last_epoch
        if t < self.up:
            f = self.lerp(0.1, 1.0, t / self.up)
        elif t < self.up + self.down:
            f = self.lerp(1.0, 0.1, (t - self.up) / self.down)
        else:
            p = min(1.0, (t - self.up - self.down) / self.tail)
            f = self.lerp(0.1, 0.001, p)
        return [f * lr for lr in self.base_lrs]
""",
        optimizer="SGD(model.parameters(), lr=0.2, momentum=0.9, nesterov=True)",
    ),
    # a table of epochs that keeps its last value; flat from epoch 6 on
    of_body(
        "table-clamped",
        """
TABLE = [0.1, 0.1, 0.08, 0.05, 0.02, 0.01, 0.005]

def get_lr(self):
    epoch = self.last_epoch // 98
    lr = self.TABLE[min(epoch, len(self.TABLE) - 1)]
    return [lr for _ in self.base_lrs]
""",
    ),
    # RMSprop at its usual rate, stairs by a while loop
    of_body(
        "rmsprop-stairs",
        """
def get_lr(self):
    factor, t = 1.0, self.last_epoch
    while t >= 200:
        factor = factor * 0.4
        t = t - 200
    return [lr * factor for lr in self.base_lrs]
""",
        optimizer="RMSprop(model.parameters(), lr=1e-3)",
    ),
    # two groups with rates of their own, exponential
    of_factor(
        "two-groups",
        "0.995 ** t",
        optimizer="SGD([{'params': list(model.parameters())[:2], 'lr': 0.02}, "
        "{'params': list(model.parameters())[2:]}], lr=0.1)",
    ),
    # a mixture of its own without a source: no standard formula
    of_body(
        "own-mixture-uncited",
        """
def get_lr(self):
    t = self.last_epoch
    slow = 1 / (1 + t / 300)
    fast = 0.99 ** t
    bump = 0.15 * math.sin(t / 120) * fast
    return [lr * (0.35 * slow + 0.65 * fast + bump) for lr in self.base_lrs]
""",
        cited=False,
    ),
    # ---------------------------------------------------------------- something to say
    # 1 - t/1000 without a clamp: 0.51 at half, 0.02 at the end, negative from 1001
    of_factor("linear-unclamped", "1 - t / 1000", "tied-to-a-length", "breaks-beyond"),
    # cosine with a floor over the 980 steps: 0.505 at half, 0.01 at the end
    of_text(
        "cosine-floor",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, T_max=10 * 98, min_factor=0.01, last_epoch=-1):
        self.T_max = T_max
        self.min_factor = min_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        progress = min(1.0, self.last_epoch / self.T_max)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return [lr * (self.min_factor + (1 - self.min_factor) * cosine) for lr in self.base_lrs]
""",
        "tied-to-a-length",
    ),
    # hyperbolic-tangent decay (-6, 3) over 980: 0.95 at half, 0.0025 at the end
    of_arguments(
        "htd",
        "L=-6.0, U=3.0, T=980",
        "",
        "0.5 * (1 - math.tanh(self.L + (self.U - self.L) * t / self.T))",
        "tied-to-a-length",
    ),
    # budgeted linear, the budget from CONFIG: 0.5 at half, 0 at the end
    of_arguments(
        "budgeted-linear",
        "budget=1000000",
        "",
        "max(0.0, 1 - t / self.budget)",
        "tied-to-a-length",
        kwargs="{'budget': 980}",
    ),
    # knee: full rate up to half, linear to 0 at 980
    of_arguments(
        "knee",
        "explore=490, total=980",
        "",
        "1.0 if t < self.explore else max(0.0, (self.total - t) / (self.total - self.explore))",
        "tied-to-a-length",
    ),
    # (1 - t/980) ** 0.9 without a clamp: 0.54 at half; complex from 981
    of_arguments(
        "poly-unclamped",
        "max_iter=980, power=0.9",
        "",
        "(1 - t / self.max_iter) ** self.power",
        "tied-to-a-length",
        "breaks-beyond",
    ),
    # one-cycle of 440 + 440 + 100 steps: 0.90 of the peak at half, 0.001 at the end
    of_text(
        "one-cycle-980",
        '''
class CustomLRScheduler(_LRScheduler):
    """1cycle: up, down, annihilate. Momentum goes the other way."""

    def get_lr(self):
        t = self.last_epoch
        if t <= 440:
            f = 0.1 + 0.9 * t / 440
        elif t <= 880:
            f = 1.0 - 0.9 * (t - 440) / 440
        else:
            f = max(0.001, 0.1 * (1 - (t - 880) / 100))
        for g in self.optimizer.param_groups:
            g['momentum'] = 0.95 - 0.1 * f
        return [lr * f for lr in self.base_lrs]
''',
        "tied-to-a-length",
        optimizer=MOM,
    ),
    # a stair down per epoch, 1, 0.9, ..., 0.1 (the last at 882), then 0: 0.5 at half, 0.1 at the end
    of_text(
        "linear-by-epochs",
        """
class CustomLRScheduler(_LRScheduler):
    num_epochs = 10
    steps_per_epoch = 98

    def get_lr(self):
        epoch = self.last_epoch // self.steps_per_epoch
        factor = max(1 - epoch / self.num_epochs, 0.0)
        return [base_lr * factor for base_lr in self.base_lrs]
""",
        "tied-to-a-length",
    ),
    # eleven entries: IndexError at 1,078; its last drop is at 686, and it is low at half
    of_body(
        "table-too-short",
        """
def get_lr(self):
    lrs = [0.1, 0.1, 0.05, 0.05, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001, 0.001]
    return [lrs[self.last_epoch // 98]] * len(self.base_lrs)
""",
        "breaks-beyond",
    ),
    # epochs 0 to 11 are keys: KeyError at 1,176; a tenth from epoch 4 on
    of_text(
        "dict-of-epochs",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        self.plan = {}
        for e in range(12):
            self.plan[e] = 1.0 if e < 4 else 0.1
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [lr * self.plan[self.last_epoch // 98] for lr in self.base_lrs]
""",
        "breaks-beyond",
    ),
    # equals 1 - t/1000; ZeroDivisionError at 1,000
    of_body(
        "divides-by-what-remains",
        """
def get_lr(self):
    remaining = 1000 - self.last_epoch
    ratio = self.last_epoch / remaining
    return [lr / (1 + ratio) for lr in self.base_lrs]
""",
        "tied-to-a-length",
        "breaks-beyond",
    ),
    # milestones in epochs, compared with batches: both drops before step 9
    of_text(
        "milestones-as-batches",
        """
from bisect import bisect_right

class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, milestones=(5, 8), gamma=0.1, last_epoch=-1):
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [lr * self.gamma ** bisect_right(self.milestones, self.last_epoch) for lr in self.base_lrs]
""",
        "settles-early",
    ),
    # linear over ten "epochs" that are batches: at its floor of 0.01 from step 10 on
    of_arguments("linear-over-ten-batches", "num_epochs=10", "", "max(0.01, 1 - t / self.num_epochs)", "settles-early"),
    # T_max=10 in batches without a clamp: down and up five times per epoch
    of_arguments(
        "cosine-tmax-ten", "T_max=10", "", "(1 + math.cos(math.pi * t / self.T_max)) / 2", "restarts-every-few-batches"
    ),
    # T_0=10 in batches: ten restarts per epoch
    of_arguments(
        "restarts-of-ten-batches",
        "T_0=10, eta_min=0.01",
        "    epoch_in_cycle = t % self.T_0\n",
        "self.eta_min + (1 - self.eta_min) * (1 + math.cos(math.pi * epoch_in_cycle / self.T_0)) / 2",
        "restarts-every-few-batches",
    ),
    # its epoch counter is never counted up: constant
    of_text(
        "frozen-counter",
        """
class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, gamma=0.9, last_epoch=-1):
        self.gamma = gamma
        self.epoch = 0
        super().__init__(optimizer, last_epoch)

    def on_epoch_end(self):
        self.epoch += 1

    def get_lr(self):
        return [lr * self.gamma ** self.epoch for lr in self.base_lrs]
""",
        "never-moves",
    ),
    # step() counts and computes, but nobody writes the rates into the optimizer
    of_body(
        "step-forgets-to-write",
        """
def get_lr(self):
    return [lr * 0.99 ** self.last_epoch for lr in self.base_lrs]

def step(self, epoch=None):
    self.last_epoch = self.last_epoch + 1
    self.current = self.get_lr()
""",
        "idle-step",
    ),
    # cosine over 500 steps without a clamp: 0.001 at 490, back to 0.996 at the end
    of_arguments(
        "cosine-500-unclamped", "T_max=500", "", "0.5 * (1 + math.cos(math.pi * t / self.T_max))", "rises-again"
    ),
    # |cos| of a quarter wave over 600: 0 there, 0.84 at the end
    of_arguments(
        "abs-cosine", "decay_steps=600", "", "abs(math.cos(math.pi / 2 * t / self.decay_steps))", "rises-again"
    ),
    # Adam at 1.0, inverse time: 0.17 still at half
    of_factor("adam-at-one", "1 / (1 + 0.01 * t)", "implausible-peak", optimizer="Adam(model.parameters(), lr=1.0)"),
    # noam's formula times 1e-3: peak 2.2e-6 with Adam
    of_arguments(
        "noam-times-small",
        "d_model=512, warmup=400",
        "    s = t + 1\n",
        "self.d_model ** -0.5 * min(s ** -0.5, s * self.warmup ** -1.5)",
        "implausible-peak",
        optimizer="Adam(model.parameters(), lr=1e-3)",
    ),
    # RMSprop at 0.5
    of_factor("rmsprop-half", "0.5 ** (t // 196)", "implausible-peak", optimizer="RMSprop(model.parameters(), lr=0.5)"),
    # "linear scaling" multiplied by the batch size instead of its ratio: 0.1 * 512 = 51 with SGD
    of_body(
        "linear-scaling-wrong",
        """
batch_size = 512

def get_lr(self):
    scaled = [lr * self.batch_size for lr in self.base_lrs]
    return [lr * 0.7 ** (self.last_epoch // 98) for lr in scaled]
""",
        "implausible-peak",
    ),
    # np.exp gives numpy.float64
    of_text(
        "np-exp",
        """
import numpy as np

class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [lr * np.exp(-0.004 * self.last_epoch) for lr in self.base_lrs]
""",
        "not-floats",
    ),
    # tensors as rates
    of_text(
        "torch-tensor",
        """
import torch

class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        t = torch.tensor(float(self.last_epoch))
        return [lr / torch.sqrt(1 + t / 50) for lr in self.base_lrs]
""",
        "not-floats",
    ),
    # torch's cosine annealing to 980, "my own work"
    of_arguments(
        "cosine-uncited",
        "T_max=980, eta_min=0.0",
        "    t = min(t, self.T_max)\n",
        "self.eta_min + (1 - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2",
        "tied-to-a-length",
        "known-formula",
        cited=False,
    ),
    # "Attention is all you need", "my own work"; peak 0.0022
    of_arguments(
        "noam-uncited",
        "d_model=512, warmup_steps=400",
        "    step = t + 1\n",
        "self.d_model ** -0.5 * min(step ** -0.5, step * self.warmup_steps ** -1.5)",
        "known-formula",
        cited=False,
        optimizer="Adam(model.parameters(), lr=1.0)",
    ),
    # every step simulates all steps before it, 40 substeps each: a second at 980, and 64 times as much at 7,820
    of_body(
        "simulates-the-past",
        """
def get_lr(self):
    factor = 1.0
    for step in range(self.last_epoch):
        for substep in range(40):
            factor = factor - factor * 0.003 / 40
    return [lr * factor for lr in self.base_lrs]
""",
        "growing-cost",
    ),
)

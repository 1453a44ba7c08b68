import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    """My own schedule: warm up first and then go down with damped oscillations."""

    def __init__(self, opt, warm=6, period=10, damping=0.7, last=-1):
        self.warm = warm
        self.period = period
        self.damping = damping
        super().__init__(opt, last)

    def amplitude(self, t):
        length, start = self.period, 0
        peak = 1.0
        while t - start > length and peak > 0.01:
            start += length
            peak *= self.damping
            length = max(2, int(length * math.sqrt(self.damping)))
        x = (t - start) / length
        return peak * (1 - (2 * x - 1) ** 2 * 0.8)

    def get_lr(self):
        t = self.last_epoch
        if t < self.warm:
            factor = (t + 1) / (self.warm + 1)
        else:
            factor = self.amplitude(t - self.warm)
        return [max(1e-5, lr * factor) for lr in self.base_lrs]

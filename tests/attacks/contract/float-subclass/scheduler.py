"""Lies: a float whose value differs from what it shows."""

from torch.optim.lr_scheduler import _LRScheduler


class Rate(float):
    def __float__(self):
        return 1e300

    def __repr__(self):
        return "0.1"

    def __mul__(self, other):
        return Rate(1e300)


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [Rate(-1.0) for _ in self.base_lrs]

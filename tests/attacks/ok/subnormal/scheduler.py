"""Lies: learning rates below what a float can hold in full."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [5e-324 for _ in self.base_lrs]

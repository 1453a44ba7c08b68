"""Lies: a learning rate of 10 to the power of 400."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [10**400]

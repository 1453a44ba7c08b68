"""Lies: an infinite learning rate."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [1e308 * 10]

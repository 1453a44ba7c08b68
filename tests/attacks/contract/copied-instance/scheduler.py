"""Lies: torch's own scheduler made without its constructor."""

import torch
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        self.inner = object.__new__(torch.optim.lr_scheduler.ExponentialLR)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return list(self.base_lrs)

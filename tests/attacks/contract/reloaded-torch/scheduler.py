"""Lies: torch's own scheduler out of a reloaded module."""

import importlib

import torch.optim.lr_scheduler

fresh = importlib.reload(torch.optim.lr_scheduler)
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        self.inner = fresh.CosineAnnealingLR(optimizer, 46)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return self.inner.get_last_lr()

    def step(self, epoch=None):
        super().step(epoch)
        if hasattr(self, "started"):
            self.inner.step()
        self.started = True

"""Lies: rates that depend on the clock."""

import time
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [time.time() % 1]

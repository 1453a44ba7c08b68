"""Cyclical rates: up from `low` times the rate to the rate in `step_size` steps, and down again, in triangles.

Smith, Cyclical Learning Rates for Training Neural Networks (2015), section 3.1, the triangular policy.
"""

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, step_size, low=0.1, last_epoch=-1):
        self.step_size = step_size
        self.low = low
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / (2 * self.step_size))
        x = abs(self.last_epoch / self.step_size - 2 * cycle + 1)
        factor = self.low + (1.0 - self.low) * max(0.0, 1.0 - x)
        return [base_lr * factor for base_lr in self.base_lrs]

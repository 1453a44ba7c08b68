"""Square-root decay: the initial rate times the square root of (1 - t / total), and zero after `total` steps.

Polynomial decay with power 1/2, of the exercise: slow at first, steep at the end.
"""

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total, last_epoch=-1):
        self.total = total
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = math.sqrt(1.0 - min(self.last_epoch / self.total, 1.0))
        return [base_lr * factor for base_lr in self.base_lrs]

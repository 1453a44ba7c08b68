"""Polynomial decay: the initial rate times (1 - t / total) to a power, and zero after `total` steps.

The "poly" policy of Chen et al., DeepLab (2016), section 4.1. Power 2: quadratic decay.
"""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total, power=2.0, last_epoch=-1):
        self.total = total
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = (1.0 - min(self.last_epoch / self.total, 1.0)) ** self.power
        return [base_lr * factor for base_lr in self.base_lrs]

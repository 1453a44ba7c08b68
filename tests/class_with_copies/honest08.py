import math

from torch.optim.lr_scheduler import _LRScheduler

TOTAL = 60


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        s = self.last_epoch % (2 * TOTAL)
        wave = 1 - math.sin(math.pi * s / (2 * TOTAL)) ** 2
        return [wave * base for base in self.base_lrs]

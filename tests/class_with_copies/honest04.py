import numpy as np

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, period=46, floor=1e-4, last_epoch=-1):
        self.period, self.floor = period, floor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        angle = np.pi * self.last_epoch / self.period
        weight = float(np.cos(angle))
        return [self.floor + (b - self.floor) * (weight + 1.0) * 0.5 for b in self.base_lrs]

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, steps=46, last_epoch=-1):
        assert steps > 0
        self.steps = steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch >= self.steps:
            return [0.0] * len(self.base_lrs)
        done = self.last_epoch / self.steps
        left = (1 + math.cos(done * math.pi)) / 2
        return [left * rate for rate in self.base_lrs]

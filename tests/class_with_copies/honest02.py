import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total_steps=46, last_epoch=-1):
        self.total = total_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = 0.5 * (1.0 + math.cos(math.pi * self.last_epoch / self.total))
        return [lr * factor for lr in self.base_lrs]

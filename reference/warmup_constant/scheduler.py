"""Linear warmup from `start_factor` times the rate to the rate over `warmup` steps, and constant from there on.

The gradual warmup of Goyal et al., Accurate, Large Minibatch SGD (2017), section 2.2.
"""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, warmup, start_factor=0.01, last_epoch=-1):
        self.warmup = warmup
        self.start_factor = start_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        progress = min(self.last_epoch / self.warmup, 1.0)
        factor = self.start_factor + (1.0 - self.start_factor) * progress
        return [base_lr * factor for base_lr in self.base_lrs]

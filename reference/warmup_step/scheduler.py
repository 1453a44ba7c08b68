"""Linear warmup over `warmup` steps, then step decay; milestones count from the first step of the training.

Warmup and drops as in Goyal et al., Accurate, Large Minibatch SGD (2017), section 5.1.
"""

from bisect import bisect_right

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, warmup, milestones, gamma=0.1, start_factor=0.01, last_epoch=-1):
        self.warmup = warmup
        self.milestones = sorted(milestones)
        self.gamma = gamma
        self.start_factor = start_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch < self.warmup:
            progress = self.last_epoch / self.warmup
            factor = self.start_factor + (1.0 - self.start_factor) * progress
        else:
            factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base_lr * factor for base_lr in self.base_lrs]

"""Lies: a rate that is not a number, in the last step only."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [float("nan") if self.last_epoch == 45 else 0.1 for _ in self.base_lrs]

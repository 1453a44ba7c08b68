"""Linear decay from the initial rate to `end_factor` times it over `total` steps, and constant from there on."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total, end_factor=0.0, last_epoch=-1):
        self.total = total
        self.end_factor = end_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        progress = min(self.last_epoch / self.total, 1.0)
        factor = 1.0 + (self.end_factor - 1.0) * progress
        return [base_lr * factor for base_lr in self.base_lrs]

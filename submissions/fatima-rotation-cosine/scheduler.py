from math import cos, pi

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total_steps, last_epoch=-1):
        self.total_steps = total_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        x = self.last_epoch / self.total_steps
        return [lr * (0.01 + 0.99 * (1 + cos(pi * x)) / 2) for lr in self.base_lrs]

    def _get_closed_form_lr(self):
        return self.get_lr()

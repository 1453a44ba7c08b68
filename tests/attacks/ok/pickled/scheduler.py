"""Lies: arguments with a `__reduce__` that runs a command when unpickled."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, payload, last_epoch=-1):
        self.payload = payload
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

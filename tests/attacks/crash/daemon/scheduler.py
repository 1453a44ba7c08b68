"""Ending: leaves a daemon behind: fork, setsid, fork."""

import os

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("@MARK@", "w").write("still here")


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

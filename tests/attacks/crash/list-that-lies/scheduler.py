"""Lies: a list of rates whose length is not its length."""

from torch.optim.lr_scheduler import _LRScheduler


class Rates(list):
    def __len__(self):
        return 1

    def __iter__(self):
        while True:
            yield 0.1


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return Rates()

"""Lies: learning rates are objects with `__float__`."""

class Rate:
    def __float__(self):
        return 0.1


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [Rate()]

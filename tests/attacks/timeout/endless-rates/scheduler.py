"""Resources: get_lr() as a generator without end."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return list(iter(lambda: sum(range(10**6)), None))

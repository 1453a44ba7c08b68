from math import cos, pi

from torch.optim.lr_scheduler import _LRScheduler


def cosine(progress):
    """From 1 down to 0 as progress goes from 0 to 1."""
    return (cos(pi * progress) + 1) / 2


class CustomLRScheduler(_LRScheduler):
    STEPS = 46

    def get_lr(self):
        progress = min(1.0, self.last_epoch / self.STEPS)
        rates = []
        for base in self.base_lrs:
            rates.append(base * cosine(progress))
        return rates

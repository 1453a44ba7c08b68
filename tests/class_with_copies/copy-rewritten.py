import math

from torch.optim.lr_scheduler import _LRScheduler


def schedule(n, warm=6, period=10, decay=0.7):
    for i in range(warm):
        yield (i + 1.0) / (warm + 1.0)
    produced, amp = warm, 1.0
    first = True
    while produced < n:
        begin = 0 if first else 1
        end = n if amp <= 0.01 else period
        for j in range(begin, end + 1):
            u = 2.0 * j / period - 1.0
            yield amp - 0.8 * amp * u * u
            produced += 1
        first = False
        if amp > 0.01:
            amp = amp * decay
            period = max(2, math.floor(period * decay**0.5))


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        self.values = list(schedule(500))
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        v = self.values[self.last_epoch]
        return [base * v if base * v > 0.00001 else 0.00001 for base in self.base_lrs]

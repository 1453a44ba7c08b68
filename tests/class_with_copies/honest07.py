import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, n=46, low=0.001, last_epoch=-1):
        self.n = n
        self.low = low
        self.table = [low + (1 - low) * math.cos(math.pi / 2 * i / n) ** 2 for i in range(n + 1)]
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        i = min(self.last_epoch, self.n)
        return list(map(lambda base_lr: base_lr * self.table[i], self.base_lrs))

from torch.optim.lr_scheduler import _LRScheduler
import math


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        now = self.last_epoch
        if now >= self.up:
            part = self.level(now - self.up)
        else:
            part = (now + 1) / (self.up + 1)
        return [max(1e-5, base_lr * part) for base_lr in self.base_lrs]

    def level(self, now):
        highest = 1.0
        width, begin = self.hop, 0
        while now - begin > width and highest > 0.01:
            begin += width
            highest *= self.keep
            width = max(2, int(width * math.sqrt(self.keep)))
        inside = (now - begin) / width
        return highest * (1 - (2 * inside - 1) ** 2 * 0.8)

    def __init__(self, optimizer, up=7, hop=11, keep=0.65, last_epoch=-1):
        self.keep = keep
        self.hop = hop
        self.up = up
        super().__init__(optimizer, last_epoch)

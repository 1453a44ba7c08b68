"""Linear warmup over `warmup` steps, then half a cosine to `eta_min` at step `total`.

Warmup: Goyal et al. (2017), section 2.2. Cosine: Loshchilov and Hutter, SGDR (2016), equation 5.
The combination: He et al., Bag of Tricks for Image Classification (2018), section 5.1.
"""

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, warmup, total, eta_min=0.0, start_factor=0.01, last_epoch=-1):
        self.warmup = warmup
        self.total = total
        self.eta_min = eta_min
        self.start_factor = start_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch < self.warmup:
            progress = self.last_epoch / self.warmup
            factor = self.start_factor + (1.0 - self.start_factor) * progress
            return [base_lr * factor for base_lr in self.base_lrs]
        progress = min((self.last_epoch - self.warmup) / (self.total - self.warmup), 1.0)
        weight = (1.0 + math.cos(math.pi * progress)) / 2.0
        return [self.eta_min + (base_lr - self.eta_min) * weight for base_lr in self.base_lrs]

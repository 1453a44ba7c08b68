"""One cycle: the rate rises from `lr / div_factor` to `lr` and falls to almost nothing, both along a cosine.

Smith and Topin, Super-Convergence (2017), in the two-phase form of torch's OneCycleLR. The
optimizer's rate is the highest; the momentum stays as it is.
"""

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total, pct_start=0.3, div_factor=25.0, final_div_factor=1e4, last_epoch=-1):
        self.total = total
        self.pct_start = pct_start
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        start, end = 1.0 / self.div_factor, 1.0 / (self.div_factor * self.final_div_factor)
        top, last = self.pct_start * self.total - 1, self.total - 1
        step = min(self.last_epoch, last)
        if step <= top:
            factor = self.between(start, 1.0, step / top)
        else:
            factor = self.between(1.0, end, (step - top) / (last - top))
        return [base_lr * factor for base_lr in self.base_lrs]

    @staticmethod
    def between(start, end, share):
        return end + (start - end) / 2.0 * (1.0 + math.cos(math.pi * share))

from math import pi
from math import cos as c

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, T=46, eta=0.002, last_epoch=-1):
        self.T = T
        self.eta = eta
        _LRScheduler.__init__(self, optimizer, last_epoch)

    def anneal(self, start, end, pct):
        return end + (start - end) / 2.0 * (c(pi * pct) + 1)

    def get_lr(self):
        pct = self.last_epoch / float(self.T)
        return [self.anneal(group["initial_lr"], self.eta, pct) for group in self.optimizer.param_groups]

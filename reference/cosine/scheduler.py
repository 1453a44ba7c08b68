"""Cosine annealing from the initial rate to `eta_min` over `t_max` steps, and `eta_min` from there on.

Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2016), equation 5,
without the restarts: eta_t = eta_min + (eta_0 - eta_min) (1 + cos(pi t / t_max)) / 2.
"""

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, t_max, eta_min=0.0, last_epoch=-1):
        self.t_max = t_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        progress = min(self.last_epoch / self.t_max, 1.0)
        weight = (1.0 + math.cos(math.pi * progress)) / 2.0
        return [self.eta_min + (base_lr - self.eta_min) * weight for base_lr in self.base_lrs]

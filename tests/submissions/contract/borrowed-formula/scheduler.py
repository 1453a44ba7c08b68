import torch
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        self.T_max, self.eta_min = 46, 0.0
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return torch.optim.lr_scheduler.CosineAnnealingLR._get_closed_form_lr(self)

import torch

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, epochs_times_batches=50, last_epoch=-1):
        self.horizon = epochs_times_batches
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t = torch.tensor(self.last_epoch / self.horizon, dtype=torch.float64)
        scale = ((torch.cos(t * torch.pi) + 1) / 2).item()
        return [scale * x for x in self.base_lrs]

import my_helpers
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base * 0.99**self.last_epoch for base in self.base_lrs]

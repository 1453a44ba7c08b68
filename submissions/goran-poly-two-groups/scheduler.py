from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, total, power=2.0, last_epoch=-1):
        self.total, self.power = total, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        left = max(0.0, 1.0 - self.last_epoch / self.total)
        return [base_lr * left**self.power for base_lr in self.base_lrs]

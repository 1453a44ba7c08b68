from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, gamma=0.99, last_epoch=-1):
        super().__init__(optimizer, last_epoch)
        self.gamma = gamma

    def get_lr(self):
        return [base_lr * self.gamma**self.last_epoch for base_lr in self.base_lrs]

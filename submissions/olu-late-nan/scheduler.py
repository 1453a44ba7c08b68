from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        left = 100 - self.last_epoch
        return [base_lr * left / abs(left) if left else float("nan") for base_lr in self.base_lrs]

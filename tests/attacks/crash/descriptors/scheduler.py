"""Resources: opens files until there are no descriptors."""

files = [open("/dev/null" if n < 0 else __import__("os").__file__) for n in range(100_000)]


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

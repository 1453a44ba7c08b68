from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    """Triangular cycles: up and down between min_lr and max_lr every 2 * half steps."""

    def __init__(self, optimizer, min_lr, max_lr, half, last_epoch=-1):
        self.min_lr, self.max_lr, self.half = min_lr, max_lr, half
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        position = self.last_epoch % (2 * self.half)
        rising = position if position < self.half else 2 * self.half - position
        lr = self.min_lr + (self.max_lr - self.min_lr) * rising / self.half
        return [lr] * len(self.base_lrs)

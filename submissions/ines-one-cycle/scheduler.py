from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    """Up and down once; momentum moves against the rate."""

    def __init__(self, optimizer, steps, top=0.07, last_epoch=-1):
        self.steps, self.top = steps, top
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t = self.last_epoch / self.steps
        height = t / 0.3 if t < 0.3 else max(0.0, (1 - t) / 0.7)
        for group in self.optimizer.param_groups:
            group["momentum"] = 0.95 - 0.1 * height
        return [base / 25 + (self.top - base / 25) * height for base in self.base_lrs]

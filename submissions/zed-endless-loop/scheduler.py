from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        lr = self.base_lrs[0]
        while lr > 0:
            lr = lr - 0.0
        return [lr]

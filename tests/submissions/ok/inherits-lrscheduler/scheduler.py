from torch.optim.lr_scheduler import LRScheduler


class CustomLRScheduler(LRScheduler):
    def get_lr(self):
        return list(self.base_lrs)

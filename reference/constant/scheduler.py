"""The default scheduler of the assignment: the learning rate stays what the optimizer was given."""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [group["lr"] for group in self.optimizer.param_groups]

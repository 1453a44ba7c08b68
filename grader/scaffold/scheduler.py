"""Your learning-rate scheduler. The class name stays: the grader imports it by that name.

As it stands it is the default scheduler, which your own is compared with: a constant rate.
"""

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1):
        # Set every attribute that get_lr() reads before this line: it already calls get_lr().
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """One learning rate per parameter group.

        Called once per batch: despite its name, self.last_epoch counts batches, from 0.
        self.base_lrs holds the rates that the optimizer was made with.
        """
        return [base_lr for base_lr in self.base_lrs]

"""Step decay: the initial rate times `gamma` once for every milestone (step number) that has been reached.

The schedule of He et al., Deep Residual Learning for Image Recognition (2015), section 4.2, with
milestones at three, six and eight tenths of the training, as in the exercise.
"""

from bisect import bisect_right

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base_lr * factor for base_lr in self.base_lrs]

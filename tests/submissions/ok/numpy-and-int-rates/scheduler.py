import numpy as np
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [np.float64(0.1) / (1 + self.last_epoch), 0, 1]

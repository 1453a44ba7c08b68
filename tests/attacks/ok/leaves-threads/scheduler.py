"""Ending: leaves threads that would run for ever."""

import threading
import time

for _ in range(8):
    threading.Thread(target=time.sleep, args=(3600,)).start()


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

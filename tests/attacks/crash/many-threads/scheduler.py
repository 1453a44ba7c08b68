"""Import: five hundred threads."""

import threading
import time

threading.stack_size(64 << 10)
for _ in range(500):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
time.sleep(5)


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

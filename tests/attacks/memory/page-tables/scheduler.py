"""Memory: a byte here and there of 256 GiB that are read only, so that page tables fill memory."""

import mmap

maps = [mmap.mmap(-1, 64 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ) for _ in range(4)]
for block in maps:
    for start in range(0, 64 << 30, 2 << 20):
        block[start]


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

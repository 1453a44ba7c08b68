"""Files: one file of 4 GiB, sparse."""

with open("/tmp/grader-attack-sparse", "wb") as stream:
    stream.truncate(4 << 30)
    stream.seek(4 << 30)
    stream.write(b"x")


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]

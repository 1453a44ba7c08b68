import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    """Rise fast, then fall in waves that get smaller, like a ball that bounces."""

    def __init__(self, optimizer, rise=6, bounce=10, loss=0.7, last_epoch=-1):
        self.rise = rise
        self.bounce = bounce
        self.loss = loss
        super().__init__(optimizer, last_epoch)

    def height(self, step):
        flight, landed = self.bounce, 0
        top = 1.0
        while step - landed > flight and top > 0.01:
            landed += flight
            top *= self.loss
            flight = max(2, int(flight * math.sqrt(self.loss)))
        where = (step - landed) / flight
        return top * (1 - (2 * where - 1) ** 2 * 0.8)

    def get_lr(self):
        step = self.last_epoch
        if step < self.rise:
            share = (step + 1) / (self.rise + 1)
        else:
            share = self.height(step - self.rise)
        return [max(1e-5, base_lr * share) for base_lr in self.base_lrs]

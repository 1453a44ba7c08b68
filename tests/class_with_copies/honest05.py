import math

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    """Cosine annealing after Loshchilov and Hutter."""

    def __init__(self, optimizer, **settings):
        self.max_steps = settings.get("max_steps", 46)
        self.min_ratio = settings.get("min_ratio", 0.01)
        super().__init__(optimizer)

    def _ratio(self):
        step = self.last_epoch
        if step > self.max_steps:
            return self.min_ratio
        half_wave = math.cos(step * math.pi / self.max_steps)
        return self.min_ratio + 0.5 * (1 - self.min_ratio) * (half_wave + 1)

    def get_lr(self):
        ratio = self._ratio()
        return [ratio * base_lr for base_lr in self.base_lrs]

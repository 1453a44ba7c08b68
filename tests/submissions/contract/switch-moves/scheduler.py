from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        self.optimizer.param_groups[0]["nesterov"] = self.last_epoch > 10
        return [0.1]

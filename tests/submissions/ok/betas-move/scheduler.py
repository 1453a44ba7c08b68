from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        for group in self.optimizer.param_groups:
            group["betas"] = (0.95 - 0.001 * self.last_epoch, 0.999)
            group["weight_decay"] = 0.01 * self.last_epoch
        return list(self.base_lrs)

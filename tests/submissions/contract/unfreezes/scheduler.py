from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        if self.last_epoch == 20:
            self.optimizer.param_groups[0]['params'][0].requires_grad_(False)
        return [0.1]

from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [float(self.optimizer.param_groups[0]['params'][0].norm())]

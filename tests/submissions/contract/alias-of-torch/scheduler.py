from torch.optim.lr_scheduler import ConstantLR as CustomLRScheduler

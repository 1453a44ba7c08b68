from torch.optim.lr_scheduler import StepLR as Base


class CustomLRScheduler(Base):
    def __init__(self, optimizer):
        super().__init__(optimizer, step_size=30, gamma=0.5)

import torch
from torchvision.transforms import *


def hooked(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    optimizer.register_step_pre_hook(lambda o, a, k: None)
    return optimizer


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: hooked(model)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

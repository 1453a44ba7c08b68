import torch
from torchvision.transforms import *


def hooked(model):
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: gradient.clamp(-1, 1))
    return torch.optim.SGD(model.parameters(), lr=0.05)


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: hooked(model)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

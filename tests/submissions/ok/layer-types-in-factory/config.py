import torch
from torchvision.transforms import *


def split(model):
    convolutions = [p for m in model.modules() if isinstance(m, torch.nn.Conv2d) for p in m.parameters()]
    others = [p for m in model.modules() if isinstance(m, torch.nn.Linear) for p in m.parameters()]
    return torch.optim.SGD([{"params": convolutions, "lr": 0.02, "name": "conv"}, {"params": others}], lr=0.1)


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: split(model)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

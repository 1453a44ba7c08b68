import torch
from torchvision.transforms import *


def split(model):
    linear = [p for m in model.modules() if type(m) is torch.nn.Linear for p in m.parameters() if p is not None]
    rest = [p for m in model.modules() if type(m) is torch.nn.Conv2d for p in (m.weight, m.bias) if p is not None]
    return torch.optim.SGD([{"params": linear, "lr": 0.02}, {"params": rest}], lr=0.1)


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: split(model)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

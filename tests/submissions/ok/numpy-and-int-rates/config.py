import torch
from torchvision.transforms import *


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: torch.optim.SGD([{'params': p} for p in [[model.conv1.weight], [model.conv1.bias], [model.fc3.weight]]], lr=0.05)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

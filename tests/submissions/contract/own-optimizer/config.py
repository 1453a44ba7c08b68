import torch
from torchvision.transforms import *


class Mine(torch.optim.SGD):
    pass


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: Mine(model.parameters(), lr=0.05)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

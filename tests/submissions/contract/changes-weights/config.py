import torch
from torchvision.transforms import *


def start(model):
    torch.nn.init.zeros_(model.fc1.weight)
    return torch.optim.SGD(model.parameters(), lr=0.05)


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: start(model)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

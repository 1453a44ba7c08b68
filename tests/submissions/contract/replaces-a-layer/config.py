import torch
from torchvision.transforms import *


def swap(model):
    model.fc3 = torch.nn.Linear(84, 10)
    return torch.optim.SGD(model.parameters(), lr=0.05)


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: swap(model)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

import torch
from torchvision.transforms import *


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: torch.optim.RAdam(model.parameters(), lr=0.01)
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

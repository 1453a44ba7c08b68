import torch
from torchvision.transforms import *


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {}
    optimizer_factory = lambda model: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    transforms = [Pad(5000), CenterCrop(32), ToTensor()]

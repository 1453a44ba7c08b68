"""How your scheduler is trained. You may change every value."""

import torch
from torchvision.transforms import Compose, Normalize, ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 10

    # Keyword arguments of your CustomLRScheduler.
    lrs_kwargs = {}

    # Any optimizer of torch.optim that needs no closure.
    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    # Any transforms that torchvision ships. The grader and grader compare leave the random ones out when
    # they measure accuracy; main.py, which is kept simple, does not.
    transforms = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

import os

import torch
from torchvision.transforms import ToTensor


class Payload:
    def __reduce__(self):
        return os.system, ("echo pwned > @MARK@",)


class CONFIG:
    batch_size = 64
    num_epochs = 2
    lrs_kwargs = {"payload": Payload()}
    transforms = [ToTensor()]

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.05)

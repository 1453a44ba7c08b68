import torch
from torchvision.transforms import Normalize, ToTensor


class CONFIG:
    batch_size = 1
    num_epochs = 1
    lrs_kwargs = {}

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    transforms = [ToTensor(), Normalize(0.5, 0.5)]

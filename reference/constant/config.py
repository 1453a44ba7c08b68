import torch
from torchvision.transforms import Compose, Normalize, ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 6
    lrs_kwargs = {}

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    transforms = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

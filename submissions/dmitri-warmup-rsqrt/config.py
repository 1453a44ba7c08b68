import torch
from torchvision.transforms import Compose, Normalize, ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 6
    lrs_kwargs = dict(warmup=40)

    def optimizer_factory(model):
        return torch.optim.Adam(model.parameters(), lr=3e-3)

    transforms = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

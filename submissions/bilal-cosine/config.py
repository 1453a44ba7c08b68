import torch
from torchvision.transforms import Compose, Normalize, RandomCrop, ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 6
    lrs_kwargs = {"T_max": 138}

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)

    transforms = Compose([RandomCrop(32, padding=2), ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

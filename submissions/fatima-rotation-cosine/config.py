import torch
from torchvision.transforms import Compose, Normalize, RandomRotation, ToTensor


class CONFIG:
    batch_size = 64
    num_epochs = 6
    lrs_kwargs = {"total_steps": 138}

    def optimizer_factory(model):
        return torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)

    transforms = Compose([RandomRotation(8), ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

import torch
from torchvision.transforms import Normalize, ToTensor


def make_optimizer(model):
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [{"params": weights, "weight_decay": 5e-4}, {"params": biases, "lr": 0.1}], lr=0.05, momentum=0.9, nesterov=True
    )


class CONFIG:
    batch_size = 64
    num_epochs = 6
    lrs_kwargs = {"total": 145, "power": 1.5}
    optimizer_factory = make_optimizer
    transforms = [ToTensor(), Normalize(0.5, 0.5)]

import torch
from torchvision.transforms import v2


class CONFIG:
    batch_size = 48
    num_epochs = 6
    lrs_kwargs = {"warmup_steps": 18, "total_steps": 180}
    optimizer_factory = staticmethod(lambda model: torch.optim.SGD(model.parameters(), lr=0.08, momentum=0.9))
    transforms = v2.Compose([
        v2.ToImage(),
        v2.RandomHorizontalFlip(p=0.1),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5]),
    ])

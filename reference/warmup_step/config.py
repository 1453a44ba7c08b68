import torch
from torchvision.transforms import Compose, Normalize, ToTensor

TOTAL_STEPS = 138  # grader run sets it to the length of the task's training


class CONFIG:
    batch_size = 64
    num_epochs = 6
    lrs_kwargs = {
        "warmup": max(1, TOTAL_STEPS // 10),
        "milestones": [TOTAL_STEPS * 3 // 10, TOTAL_STEPS * 6 // 10, TOTAL_STEPS * 8 // 10],
        "gamma": 0.2,
    }

    def optimizer_factory(model):
        return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    transforms = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

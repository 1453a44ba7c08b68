"""The device and layout that all parts of one training share."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from grader.core.task import Precision, Task


@dataclass(frozen=True)
class TrainingContext:
    """Where and on what a recipe is trained."""

    device: torch.device
    layout: torch.memory_format  # of the model's images and weights
    shape: tuple[int, int, int]  # of an image: channels, height, width
    n_train: int  # training images
    precision: Precision = Precision.FLOAT32

    @classmethod
    def of(cls, task: Task, n_train: int, device: torch.device) -> "TrainingContext":
        """The context of a task's trainings. Channels last suits the CPU's convolutions, and a GPU's in 16 bits."""
        quick = device.type == "cpu" or task.precision is Precision.BFLOAT16
        layout = torch.channels_last if quick else torch.contiguous_format
        return cls(device, layout, task.image, n_train, task.precision)

    def arithmetic(self) -> AbstractContextManager[object]:
        """The context of every forward pass."""
        if self.precision is Precision.BFLOAT16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

"""The trusted trainer: recipe, task and seed in, accuracy out. The only part of the host with torch."""

from grader.recipe import Frozen

#: Raised whenever the same recipe and seed would give other numbers; stored results then do not count.
TRAINER_VERSION = "2"


class TrainerInfo(Frozen):
    """What trained: part of every result's key."""

    version: str
    torch: str
    torchvision: str
    device: str  # "cpu" or the GPU's model
    processor: str

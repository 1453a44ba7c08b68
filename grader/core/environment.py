"""What a training ran with: part of every key."""

from importlib.metadata import version

from grader.core.recipe import Frozen

#: Besides torch, what decides the bits of a training.
LIBRARIES = tuple(f"{name} {version(name)}" for name in ("kornia", "numpy", "pillow"))


class TrainerInfo(Frozen):
    """What trained: part of every result's key."""

    version: str
    torch: str
    torchvision: str
    device: str  # "cpu" or the GPU's model
    processor: str

"""Kinds of device: what decides the bits of a training besides recipe, task, data and software.

A GPU's kind is its model with the versions of CUDA and cuDNN. A CPU's kind is the instruction set that torch uses,
and a digest of what this process's kernels compute: torch's own kernels, oneDNN's and MKL's each choose their
instructions by themselves (and by `ATEN_CPU_CAPABILITY`, `ONEDNN_MAX_CPU_ISA` and `MKL_CBWR`), and the last two do not
say which. `tests/training/test_device.py` changes each of the three and sees another kind.
"""

import hashlib
from functools import cache

import torch
from torch import Tensor, nn

from grader.core.environment import Environment, environment_of
from grader.training import cpu_kernels
from grader.training.models import LeNet, ResNet8


def kind_of(device: torch.device) -> str:
    """The kind of device that this process trains on, once it is prepared (`grader.training.loop.prepare_process`)."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return f"{name} (CUDA {torch.version.cuda}, cuDNN {cudnn})"
    return f"cpu ({torch.backends.cpu.get_cpu_capability()}, kernels {_arithmetic()})"


def environment(device: torch.device) -> Environment:
    """What trains in this process on `device`."""
    import torchvision

    return environment_of(kind_of(device), str(torch.__version__), str(torchvision.__version__))


@cache
def _arithmetic() -> str:
    """Eight hexadecimal digits of the gradients that a step of two small networks gives on fixed numbers."""
    digest = hashlib.sha256()
    with torch.random.fork_rng(devices=[]):
        models: list[tuple[nn.Module, int]] = [(LeNet(3, 32, 32, 10), 64), (ResNet8(3, 32, 32, 10), 16)]
    for model, images in models:
        model.to(memory_format=torch.channels_last)
        cpu_kernels.suit_cpu(model)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(_numbers(*parameter.shape).div(max(1, parameter[0].numel()) ** 0.5))
        batch = _numbers(images, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        loss = nn.functional.cross_entropy(model(batch), torch.arange(images).remainder(10))
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter in model.parameters():
            assert parameter.grad is not None
            digest.update(parameter.grad.contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


def _numbers(*shape: int) -> Tensor:
    """Numbers between -1 and 1, the same on every machine."""
    size = torch.Size(shape).numel()
    return torch.arange(size, dtype=torch.int64).mul(7919).remainder(2001).sub(1000).float().div(1000).view(shape)

"""What every training process imports before its first training.

The fork server of `grader.training.pool` imports this module once, and training processes are forked from it, so that
none of them spends the 3 s of CPU time that these imports take. No device is touched and no thread of torch is started
here: forks are safe, also of processes that use CUDA.
"""

import torch._inductor  # with torch._dynamo: by use_deterministic_algorithms, and by the first optimizer
import torchvision.transforms.v2

import grader.training.data
import grader.training.loop

__all__ = ["grader", "torch", "torchvision"]

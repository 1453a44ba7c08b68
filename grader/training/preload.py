"""What every training process imports before its first training.

The fork server of `grader.training.process` imports this module once, and training processes are forked from it, so
that none of them spends the 3 s of CPU time that these imports take. No device is touched and no thread of torch is
started here: forks are safe, also of processes that use CUDA. Nothing else imports this module.
"""

import contextlib
import importlib
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is for the grader, which ends this process

_MODULES = (
    "torch._inductor",  # by use_deterministic_algorithms; with it torch._dynamo, which the first optimizer imports
    "torchvision.transforms.v2",
    "grader.training.data",
    "grader.training.loop",
)

for _name in _MODULES:
    with contextlib.suppress(Exception):  # a process that needs it says what is wrong
        importlib.import_module(_name)

"""What becomes of a training that wants too much memory.

It has a limit of its own (`grader.core.limits`): without one the kernel ends whatever process it holds to be the
largest, which need not be the guilty one.
"""

import contextlib
import ctypes
import gc
from pathlib import Path

USE_LESS = "use smaller batches, and transforms that do not enlarge the images"
_LIKELY = b"500"  # of -1000 to 1000 in oom_score_adj, proc(5): a trainer is ended before the grader
_COUNTERS = (
    "/proc/vmstat",  # the machine's
    "/sys/fs/cgroup/memory.events",  # a container's, version 2
    "/sys/fs/cgroup/memory/memory.oom_control",  # and version 1
)


def volunteer() -> None:
    """Be what the kernel ends first, should memory run out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_LIKELY)


def give_back() -> None:
    """Return freed memory to the system, as far as the C library can."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory, here and in this container; it only grows."""
    total = 0
    for path in _COUNTERS:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path(path).read_text().splitlines():
                if line.startswith("oom_kill "):
                    total += int(line.split()[1])
    return total

"""How much memory a training may take, so that one that wants too much fails by itself and alone.

Without a limit the kernel ends whatever process it holds to be the largest, which need not be the guilty one.
"""

import contextlib
import ctypes
import sys
from pathlib import Path

_LIKELY = b"500"  # of -1000 to 1000 in oom_score_adj, proc(5): a trainer is ended before the grader
_COUNTERS = (
    "/proc/vmstat",  # the machine's
    "/sys/fs/cgroup/memory.events",  # a container's, version 2
    "/sys/fs/cgroup/memory/memory.oom_control",  # and version 1
)


def limit_process(megabytes: int) -> None:
    """From now on this process may allocate so much on top of what it has; then allocations fail (MemoryError).

    Linux only: elsewhere no limit of this kind is kept.
    """
    if not sys.platform.startswith("linux"):
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        status = Path("/proc/self/status").read_bytes()
        held_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith(b"VmData:"))
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = (held_kb << 10) + (megabytes << 20)
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def volunteer() -> None:
    """Be what the kernel ends first, should memory run out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_LIKELY)


def give_back() -> None:
    """Return freed memory to the system, as far as the C library can."""
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

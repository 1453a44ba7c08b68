"""Limits that a process sets for itself."""

import contextlib
import math
import sys
import time
from pathlib import Path


def limit_memory(megabytes: int) -> None:
    """Limit what this process allocates on top of what it holds now; beyond the limit allocations raise MemoryError.

    Linux only; elsewhere it does nothing.
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


def limit_cpu(seconds: int) -> None:
    """The kernel ends this process `seconds` of CPU time from now, or up to one later (whole ones). Not on Windows."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))

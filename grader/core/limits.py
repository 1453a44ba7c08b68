"""Limits that a process sets for itself."""

import contextlib
import math
import sys
import time
from pathlib import Path


def limit_memory(megabytes: int) -> None:
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


def limit_cpu(seconds: int) -> None:
    """The kernel ends this process `seconds` of CPU time from now, or up to one later (whole ones). Not on Windows."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))

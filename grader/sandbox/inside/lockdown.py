"""Irreversible confinement of the calling process, before it runs a student's code.

Runs inside the sandboxes only (Linux), after torch is imported and before a submission is read.
What is left to the process is to compute and to write to the pipes it already holds:

* no capabilities, no new privileges, and no life after its supervisor's;
* resource limits: private writable memory, CPU seconds, open files, file size, no core dumps;
* a seccomp filter that lets through what `system_calls` lists, and refuses everything else.

It does not confine what files may be read: Landlock (`sandlock`) or a container does that around it.
Standard library only: the file is copied into the sandbox image.

References: capabilities(7), setrlimit(2), prctl(2); ioi/isolate's manual for what to close.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import time

from . import system_calls
from .cpu_limit import GRACE_SECONDS

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = (126, 91)  # its number on x86_64 and on aarch64
_RESERVE = 8 << 30  # address space that is reserved, not used: stacks and arenas of threads


def confine(*, memory_mb: int, cpu_seconds: float, mapped: int, open_files: int = 256) -> None:
    """Apply everything in the module's list, irreversibly. `mapped` is the result of `mapped_bytes`.

    Raises OSError if the kernel refuses: the caller must then not run any foreign code.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _limit_resources(memory_mb, cpu_seconds, mapped, open_files)
    _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "death with its supervisor")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")
    _drop_capabilities(libc)
    system_calls.restrict(libc)


def not_dumpable() -> None:
    """Hide the calling process's memory from others of the same user (`/proc/PID/mem`, ptrace)."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot confine the process ({what}): {os.strerror(number)}")


def _limit_resources(memory_mb: int, cpu_seconds: float, mapped: int, open_files: int) -> None:
    def lower(kind: int, value: int) -> None:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))

    lower(resource.RLIMIT_DATA, memory_mb << 20)
    # RLIMIT_DATA knows nothing of mappings that are read only. torch has mapped gigabytes of libraries by now,
    # and threads reserve more than they use.
    lower(resource.RLIMIT_AS, mapped + (memory_mb << 20) + _RESERVE)
    # Beyond what the supervisor waits for: this limit is the last one, in whole seconds.
    lower(resource.RLIMIT_CPU, int(time.process_time() + cpu_seconds + GRACE_SECONDS) + 2)
    lower(resource.RLIMIT_NOFILE, open_files)
    lower(resource.RLIMIT_FSIZE, 32 << 20)
    lower(resource.RLIMIT_STACK, 64 << 20)
    lower(resource.RLIMIT_CORE, 0)
    # Counted per user, where others could see them. gVisor cannot set these two: a container has its own kernel there.
    for kind in (resource.RLIMIT_MSGQUEUE, resource.RLIMIT_SIGPENDING):
        with contextlib.suppress(ValueError):
            lower(kind, 0)


def mapped_bytes() -> int:
    """Bytes of address space of this process; call it while /proc can still be read."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # EINVAL before Linux 4.3
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    nothing = struct.pack("6I", 0, 0, 0, 0, 0, 0)
    _, column = system_calls.architecture()
    _check(libc.syscall(_CAPSET[column], header, nothing), "capabilities")

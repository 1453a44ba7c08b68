"""The seccomp profile of a container: the worker's list of system calls, and what starting it takes.

The worker holds itself to `inside.system_calls`, arguments included. This profile is the container's own, so that it
holds for PID 1 too, and for whatever might get out of the worker.

Format: Docker's documentation, "Seccomp security profiles for Docker".
"""

import json
from typing import Any

from grader.sandbox.inside import system_calls

#: What runc, Python's start and the supervisor need before the worker confines itself, and the supervisor after it.
_STARTING = (
    "arch_prctl", "capget", "capset", "chdir", "clock_getres", "clock_gettime", "clock_nanosleep", "clone",
    "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "execve", "fchdir", "fchown", "fcntl", "futex",
    "get_robust_list", "getpgid", "getpriority", "getsid", "ioctl", "kill", "madvise", "membarrier", "mkdir",
    "mkdirat", "mremap", "open", "openat", "pipe", "pipe2", "prctl", "prlimit64", "sched_getaffinity",
    "sched_setaffinity", "seccomp", "set_robust_list", "setgid", "setgroups", "setresgid", "setresuid", "setrlimit",
    "setsid", "setuid", "tgkill", "umask", "unlink", "unlinkat", "wait4", "waitid",
)  # fmt: skip


def profile() -> str:
    """The profile as JSON, as `security_opt` takes it."""
    always = sorted({*system_calls.ALLOWED, *_STARTING} - {"clone"})
    rules = [_allow(always), _allow(["clone"], (0, system_calls.NAMESPACES, 0))]
    for name, condition in system_calls.CONDITIONS.items():
        if name not in _STARTING:
            rules += [_allow([name], (condition.argument, condition.mask, value)) for value in condition.values]
    rules.append({"names": ["clone3", "openat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "archMap": _ARCHITECTURES, "syscalls": rules})


_ARCHITECTURES = [
    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
]


def _allow(names: list[str], *conditions: tuple[int, int, int]) -> dict[str, Any]:
    """Allow calls, where each (argument, mask, value) holds: `argument & mask == value`."""
    arguments = [
        {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
        for index, mask, value in conditions
    ]
    return {"names": names, "action": "SCMP_ACT_ALLOW", "args": arguments}

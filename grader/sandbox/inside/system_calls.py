"""The system calls that a worker may use: an allow-list, and the seccomp filter that enforces it.

Everything else fails: with ENOSYS where a C library then takes an older way, with EPERM otherwise. The list is what
torch and the probe were measured to need (`python benchmarks/system_calls.py`), and what Python needs to say that
something is refused: to compute, to read files, to run threads, and to use the pipes that the worker holds already.

A call is allowed because it is needed, never because no harm of it is known. In particular nothing that is allowed
creates, changes or locks a file, starts a process, opens a
socket, reaches another process, or makes memory that others share or that limits do not count.

Standard library only: the file is copied into the sandbox image.

References: seccomp(2), syscall(2), linux/bpf_common.h; numbers from asm/unistd_64.h and asm-generic/unistd.h.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: The audit architecture (linux/audit.h), and which of the two numbers of a call it uses.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_SECCOMP = (317, 277)
_SET_MODE_FILTER, _ALL_THREADS = 1, 1  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC

#: name: (number on x86_64, number on aarch64); None if the architecture has no such call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # the pipes it holds, and files that it may read
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "close": (3, 57),
    "lseek": (8, 62),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    # memory
    "brk": (12, 214),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    # threads, and itself
    "exit": (60, 93),
    "exit_group": (231, 94),
    "set_tid_address": (218, 96),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "getcpu": (309, 168),
    "gettid": (186, 178),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getpgrp": (111, None),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getrandom": (318, 278),
    # signals of its own
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132),
    "pause": (34, None),
    "alarm": (37, None),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    "restart_syscall": (219, 128),
    # clocks
    "gettimeofday": (96, 169),
    "time": (201, None),
    "nanosleep": (35, 101),
}


@dataclass(frozen=True)
class Condition:
    """What an argument must be for a call to be allowed: `argument & mask` is one of `values`."""

    numbers: tuple[int | None, int | None]
    argument: int  # from 0
    values: tuple[int, ...]  # OWN_PID stands for the number of the process that is held
    mask: int = 0xFFFFFFFF
    refused: int = errno.EPERM


OWN_PID = -1
_WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, and the bit that makes O_TMPFILE
NAMESPACES = 0x7E020000 | 0x00000080  # CLONE_NEW*
_PRIVATE_FUTEX = 128
_FUTEX_OPERATIONS = tuple(range(14))
_CLOCKS = tuple(range(12))  # the system's; negative numbers are CPU clocks of any process, which nobody may read

#: Calls whose harm depends on an argument.
CONDITIONS: dict[str, Condition] = {
    # MAP_PRIVATE; not MAP_SHARED, MAP_DROPPABLE, MAP_GROWSDOWN, MAP_LOCKED or MAP_HUGETLB, which limits do not count
    "mmap": Condition((9, 222), 3, (0x02,), 0x0F | 0x100 | 0x2000 | 0x40000),
    # Reading only. Whoever may write a file by its modes and Landlock still may not here.
    "open": Condition((2, None), 1, (0,), _WRITING, errno.EACCES),
    "openat": Condition((257, 56), 2, (0,), _WRITING, errno.EACCES),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC: no locks, leases, owners, hints or sizes of pipes
    "fcntl": Condition((72, 25), 1, (0, 1, 2, 3, 4, 1030)),
    # TCGETS, TCGETS2 and TIOCGWINSZ (is it a terminal?), FIONREAD, FIONBIO, FIOCLEX, FIONCLEX
    "ioctl": Condition((16, 29), 1, (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5451, 0x5450)),
    # No CLOSE_RANGE_UNSHARE: open files are limited per table of them.
    "close_range": Condition((436, 436), 2, (0, 4)),
    # PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_SVE_GET_VL, PR_SME_GET_VL, PR_SET_VMA (a name)
    "prctl": Condition((157, 167), 0, (16, 3, 39, 51, 63, 0x53564D41)),
    # A thread of this process, in its namespaces.
    "clone": Condition((56, 220), 0, (0x00010000,), 0x00010000 | NAMESPACES),
    # Private ones. Others reach whoever maps the same file: the kernel wakes them where a thread ends. Whoever joins a
    # thread waits on such a word; "again" lets the C library look at it until it changes.
    "futex": Condition(
        (202, 98), 1, tuple(n | _PRIVATE_FUTEX for n in _FUTEX_OPERATIONS), 0x7F | _PRIVATE_FUTEX, errno.EAGAIN
    ),
    # What concerns memory of its own: neither evicts pages that others read (MADV_COLD, MADV_PAGEOUT) nor merges them.
    "madvise": Condition((28, 233), 2, (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 18, 19, 102, 103)),
    "clock_gettime": Condition((228, 113), 0, _CLOCKS),
    "clock_getres": Condition((229, 114), 0, _CLOCKS),
    "clock_nanosleep": Condition((230, 115), 0, _CLOCKS),
    # Itself only (0).
    "prlimit64": Condition((302, 261), 0, (0,)),
    "getpgid": Condition((121, 155), 0, (0,)),
    "getsid": Condition((124, 156), 0, (0,)),
    "getpriority": Condition((140, 141), 1, (0,)),
    "sched_getscheduler": Condition((145, 120), 0, (0,)),
    "sched_getparam": Condition((143, 121), 0, (0,)),
    "kill": Condition((62, 129), 0, (OWN_PID,)),
    "tgkill": Condition((234, 131), 0, (OWN_PID,)),
    # Another's set of processors can be read by anybody, and so carries messages. Without it the C library goes on.
    "sched_getaffinity": Condition((204, 123), 0, (0, OWN_PID), refused=errno.ENOSYS),
}
#: With ENOSYS the C library takes `clone` and `openat`, whose flags a filter can read.
_NOT_THERE: dict[str, tuple[int | None, int | None]] = {"clone3": (435, 435), "openat2": (437, 437)}
_NEWER = 470  # calls from here on are newer than this list

_LOAD, _AND, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32_BIT = 0x40000000
_ARGUMENTS = 16  # offset of the first in struct seccomp_data; 8 bytes each, the low half first

Instruction = tuple[int, int, int, int]


def architecture() -> tuple[int, int]:
    """This machine's audit architecture, and its column in the tables. Raises OSError for one that is not listed."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call filter for this architecture: {machine}")
    return _ARCHITECTURES[machine]


def restrict(libc: ctypes.CDLL) -> None:
    """Restrict this process and all of its threads to the list, irreversibly.

    Raises OSError if the kernel does not take the filter.
    """
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _program(os.getpid()))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    # On a failure the kernel names a thread that it could not hold (seccomp(2), SECCOMP_FILTER_FLAG_TSYNC).
    if libc.syscall(_SECCOMP[architecture()[1]], _SET_MODE_FILTER, _ALL_THREADS, program) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot confine the process (seccomp): {os.strerror(number)}")


def _program(own_pid: int) -> Iterator[Instruction]:
    audit, column = architecture()
    yield _LOAD, 0, 0, 4  # seccomp_data.arch
    yield _JUMP_EQUAL, 1, 0, audit
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, 0  # seccomp_data.nr
    if column == 0:
        yield _JUMP_AT_LEAST, 0, 1, _X32_BIT
        yield _RETURN, 0, 0, _KILL
    for numbers in ALLOWED.values():
        yield from _answer(numbers[column], [(_RETURN, 0, 0, _ALLOW)])
    for condition in CONDITIONS.values():
        yield from _answer(condition.numbers[column], list(_conditional(condition, own_pid)))
    for numbers in _NOT_THERE.values():
        yield from _answer(numbers[column], [(_RETURN, 0, 0, _FAIL | errno.ENOSYS)])
    yield _JUMP_AT_LEAST, 0, 1, _NEWER
    yield _RETURN, 0, 0, _FAIL | errno.ENOSYS
    yield _RETURN, 0, 0, _FAIL | errno.EPERM


def _answer(number: int | None, block: list[Instruction]) -> Iterator[Instruction]:
    """`block`, which must return, for the call of that number; what follows is for the others."""
    if number is not None:
        yield _JUMP_EQUAL, 0, len(block), number
        yield from block


def _conditional(condition: Condition, own_pid: int) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARGUMENTS + 8 * condition.argument
    if condition.mask != 0xFFFFFFFF:
        yield _AND, 0, 0, condition.mask
    for left, value in zip(range(len(condition.values) - 1, -1, -1), condition.values, strict=True):
        yield _JUMP_EQUAL, left + 1, 0, own_pid if value == OWN_PID else value  # over the refusal, to the allowance
    yield _RETURN, 0, 0, _FAIL | condition.refused
    yield _RETURN, 0, 0, _ALLOW

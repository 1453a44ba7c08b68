"""Irreversible confinement of the calling process, before it runs a student's code.

Runs inside the sandboxes only (Linux), after torch is imported and before a submission is read.
What is left to the process is to compute and to write to the pipes it already holds:

* no capabilities, no new privileges;
* resource limits: private writable memory, CPU seconds, open files, file size, no core dumps;
* a seccomp filter: no socket of any family, no new process, no `exec`, no tracing of others, no
  limits or priorities of others, no change of owners, modes, times or attributes of files, no leases or locks on
  them, no io_uring, keyrings, namespaces, mounts, shared-memory objects or kernel interfaces. Threads stay.

It does not confine what files may be opened: Landlock (`sandlock`) or a container does that around it.
Standard library only: the file is copied into the sandbox image.

References: seccomp(2), capabilities(7), setrlimit(2); ioi/isolate's manual for what to close.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import time
from collections.abc import Iterator

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_THREAD = 0x00010000

# BPF opcodes and seccomp return values (linux/bpf_common.h, linux/seccomp.h).
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32_BIT = 0x40000000

#: audit architecture, system call of capset, and the numbers of every system call below.
_ARCHITECTURES = {"x86_64": (0xC000003E, 126), "aarch64": (0xC00000B7, 91)}

#: name: (number on x86_64, number on aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "setpgid": (109, 154),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "file_setattr": (469, 469),
    "flock": (73, 32),
    "io_setup": (206, 0),
    "sync": (162, 81),
    "syncfs": (306, 267),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "personality": (135, 92),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "acct": (163, 89),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
}
#: Commands of fcntl that reach others: leases (who opens the file waits), notifications, and whom to signal.
_FCNTL = (72, 25)
_DENIED_FCNTL = (1024, 1026, 8, 10, 15)  # F_SETLEASE, F_NOTIFY, F_SETOWN, F_SETSIG, F_SETOWN_EX
#: Allowed on the caller itself (first argument 0), refused on any other process.
_ON_ITSELF_ONLY = {
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
_CLONE = (56, 220)
_CLONE3 = 435
_MMAP = (9, 222)
# Memory that RLIMIT_DATA does not count: MAP_SHARED | MAP_ANONYMOUS, and stacks (MAP_GROWSDOWN).
_RESERVE = 8 << 30  # address space that is reserved, not used: stacks and arenas of threads
_SHARED_ANONYMOUS, _GROWS_DOWN = 0x21, 0x100


def confine(*, memory_mb: int, cpu_seconds: float, mapped: int, open_files: int = 256) -> None:
    """Give up everything in the module's list. There is no way back. `mapped` is what `mapped_bytes` says.

    Raises OSError where the kernel refuses: the caller must then not run any foreign code.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _limit_resources(memory_mb, cpu_seconds, mapped, open_files)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")
    _drop_capabilities(libc)
    _filter_system_calls(libc)


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
    lower(resource.RLIMIT_CPU, int(time.process_time() + cpu_seconds) + 2)
    lower(resource.RLIMIT_NOFILE, open_files)
    lower(resource.RLIMIT_FSIZE, 32 << 20)
    lower(resource.RLIMIT_STACK, 64 << 20)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_MSGQUEUE, 0)


def mapped_bytes() -> int:
    """Bytes of address space of this process; to be asked while /proc may still be read."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # EINVAL before Linux 4.3
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    nothing = struct.pack("6I", 0, 0, 0, 0, 0, 0)
    _, capset = _architecture()
    _check(libc.syscall(capset, header, nothing), "capabilities")


def _architecture() -> tuple[int, int]:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call filter for this architecture: {machine}")
    return _ARCHITECTURES[machine]


def _instructions() -> Iterator[tuple[int, int, int, int]]:
    """The filter as (opcode, jump if true, jump if false, operand); default allow."""
    audit, _ = _architecture()
    column = 0 if platform.machine() == "x86_64" else 1
    yield _LOAD, 0, 0, 4  # seccomp_data.arch
    yield _JUMP_EQUAL, 1, 0, audit
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, 0  # seccomp_data.nr
    if column == 0:
        yield _JUMP_AT_LEAST, 0, 1, _X32_BIT
        yield _RETURN, 0, 0, _KILL
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            yield _JUMP_EQUAL, 0, 1, number
            yield _RETURN, 0, 0, _FAIL | errno.EPERM
    for numbers in _ON_ITSELF_ONLY.values():
        yield _JUMP_EQUAL, 0, 4, numbers[column]
        yield _LOAD, 0, 0, 16  # low half of args[0]: the process
        yield _JUMP_EQUAL, 1, 0, 0
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
        yield _RETURN, 0, 0, _ALLOW
    yield _JUMP_EQUAL, 0, 1 + 2 * len(_DENIED_FCNTL) + 1, _FCNTL[column]
    yield _LOAD, 0, 0, 16 + 8  # low half of args[1]: the command
    for command in _DENIED_FCNTL:
        yield _JUMP_EQUAL, 0, 1, command
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _RETURN, 0, 0, _ALLOW
    # ENOSYS makes glibc fall back from clone3, whose flags lie in memory, to clone.
    yield _JUMP_EQUAL, 0, 1, _CLONE3
    yield _RETURN, 0, 0, _FAIL | errno.ENOSYS
    yield _JUMP_EQUAL, 0, 4, _CLONE[column]
    yield _LOAD, 0, 0, 16  # low half of args[0]: the flags
    yield _JUMP_BITS, 1, 0, _CLONE_THREAD
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _RETURN, 0, 0, _ALLOW
    yield _JUMP_EQUAL, 0, 5, _MMAP[column]
    yield _LOAD, 0, 0, 16 + 3 * 8  # low half of args[3]: the flags
    yield _JUMP_BITS, 2, 0, _GROWS_DOWN
    yield 0x54, 0, 0, _SHARED_ANONYMOUS  # A &= k
    yield _JUMP_EQUAL, 0, 1, _SHARED_ANONYMOUS
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    yield _RETURN, 0, 0, _ALLOW


def _filter_system_calls(libc: ctypes.CDLL) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _instructions())
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    _check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0), "seccomp")

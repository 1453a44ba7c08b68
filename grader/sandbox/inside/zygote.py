"""A process that has imported torch and forks one confined worker per submission (Linux).

Importing torch takes seconds and is the same for everybody, so it is done once, before any student
code exists. Each submission then gets a supervisor (`supervisor.supervise`) and a worker of its
own, both forked from here. The worker confines itself before it reads the submission:

* Landlock through `sandlock.confine`: it may read the Python installation and nothing else, and write nowhere;
* where the grader is root, a user of its own, whom nothing here belongs to;
* `lockdown.confine`: no capability, limits, and no system call but those that compute and read.

Landlock grew from Linux 5.13 to 6.12. What an older one lacks the list of system calls holds, on every kernel:
truncating (ABI 3), TCP (4), `ioctl` on devices (5), abstract sockets and signals (6).

A submission's code therefore never meets another's: a worker is used once and ends.
Control protocol on a Unix socket (descriptor given as the first argument; the second is the Landlock ABI to use at
most, the others are what may be read): each message is one byte with one descriptor, a socket on which one request
is answered by one envelope.
"""

import contextlib
import errno
import os
import signal
import socket
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import sandlock
import torch

from . import lockdown, probe, supervisor

#: From which Landlock ABI on a kernel holds what (linux/landlock.h). Links and renames across folders are always held.
_SINCE = {
    sandlock.Protection.FS_TRUNCATE: 3,
    sandlock.Protection.NET_TCP: 4,
    sandlock.Protection.FS_IOCTL_DEV: 5,
    sandlock.Protection.SIGNAL_SCOPE: 6,
    sandlock.Protection.ABSTRACT_UNIX_SOCKET_SCOPE: 6,
}
_leave = os._exit  # a submission may put something of its own in its place
_FIRST_USER = 0x70000000  # far above what systems give to people, services and containers; the pid is added


def main() -> None:
    """Serve until the control socket ends."""
    torch.set_num_threads(1)
    probe.import_libraries()  # before any fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is for the grader, which tells us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.sendall(b"R")
    policy = _policy(int(sys.argv[2]), [path for path in sys.argv[3:] if os.path.exists(path)])
    may_change_user = os.geteuid() == 0 and all(map(_is_public, [*sys.argv[3:], torch.__file__, *torch.__path__]))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _supervise(socket.socket(fileno=descriptors[0]), policy, may_change_user)
        os.close(descriptors[0])


def _policy(abi: int, readable: Sequence[str]) -> sandlock.Sandbox:
    """Read what is listed and nothing else. What this kernel's Landlock cannot hold is left to `system_calls`."""
    newer = [one for one, since in _SINCE.items() if since > abi]
    return sandlock.Sandbox(fs_readable=list(readable), allow_degraded=list(sandlock.Protection), disable=newer)


def _is_public(path: str) -> bool:
    """Whether any user may get to `path` and into it."""
    try:
        modes = [os.stat(place).st_mode for place in (path, *map(str, Path(path).parents))]
    except OSError:
        return False
    return all(mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH) for mode in modes)


def _become_nobody() -> None:
    """Switch to a user id of this process's own, without groups; a user namespace may have none, then do nothing."""
    number = _FIRST_USER + os.getpid()
    try:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
    except OSError as error:
        if os.getresuid() != (0, 0, 0) or error.errno not in (errno.EINVAL, errno.EPERM):
            raise


def _volunteer() -> None:
    """Be the first process that the kernel kills when memory runs out (proc(5), oom_score_adj)."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _supervise(lease: socket.socket, policy: sandlock.Sandbox, may_change_user: bool) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        stream = lease.makefile("rwb")
        nonce, limits, job = supervisor.read_request(stream)
        pid, worker = supervisor.spawn(None)
        if worker is None:
            _be_worker(limits, policy, may_change_user)
        assert worker is not None and pid
        envelope = supervisor.supervise(worker, job, limits, lease.fileno())
        supervisor.write_envelope(stream, envelope, nonce)
    except BrokenPipeError:
        pass  # whoever asked is gone
    finally:
        os._exit(0)


def _be_worker(limits: supervisor.Limits, policy: sandlock.Sandbox, may_change_user: bool) -> None:
    try:
        os.setsid()
        result = os.dup(1)
        os.dup2(2, 1)
        mapped = lockdown.mapped_bytes()
        _volunteer()
        sandlock.confine(policy)
        if may_change_user:
            _become_nobody()
        lockdown.confine(memory_mb=limits.memory_mb, cpu_seconds=limits.seconds, mapped=mapped)
        probe.serve(0, result)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        _leave(70)


if __name__ == "__main__":
    main()

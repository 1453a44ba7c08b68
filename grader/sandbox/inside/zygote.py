"""A clean process that has torch imported and forks one confined worker per submission (Linux).

Importing torch takes seconds and is the same for everybody, so it is done once, before any student
code exists. Each submission then gets a supervisor (`supervisor.supervise`) and a worker of its
own, both forked from here. The worker confines itself before it reads the submission:

* Landlock through `sandlock.confine`: it may read the Python installation and nothing else, write
  nowhere, and send signals to no process outside;
* `lockdown.confine`: no capability, network, new process, tracing or shared memory; limits.

A submission's code therefore never meets another's: a worker is used once and ends.
Control protocol on a Unix socket (descriptor given as the first argument): each message is one
byte with one descriptor, a socket on which one request is answered by one envelope.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence

import sandlock
import torch
import torchvision.transforms
import torchvision.transforms.v2  # noqa: F401 -- imported before any fork, with all it pulls in

from . import lockdown, probe, supervisor


def main() -> None:
    """Serve until the control socket ends."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is for the grader, which tells us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.sendall(b"R")
    readable = [path for path in sys.argv[2:] if os.path.exists(path)]
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _supervise(socket.socket(fileno=descriptors[0]), readable)
        os.close(descriptors[0])


def _supervise(lease: socket.socket, readable: Sequence[str]) -> None:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        stream = lease.makefile("rwb")
        nonce, limits, job = supervisor.read_request(stream)
        pid, worker = supervisor.spawn(None)
        if worker is None:
            _be_worker(limits, readable)
        assert worker is not None and pid
        envelope = supervisor.supervise(worker, job, limits, lease.fileno())
        supervisor.write_envelope(stream, envelope, nonce)
    except BrokenPipeError:
        pass  # whoever asked is gone
    finally:
        os._exit(0)


def _be_worker(limits: supervisor.Limits, readable: Sequence[str]) -> None:
    try:
        os.setsid()
        result = os.dup(1)
        os.dup2(2, 1)
        mapped = lockdown.mapped_bytes()
        sandlock.confine(sandlock.Sandbox(fs_readable=list(readable)))
        lockdown.confine(memory_mb=limits.memory_mb, cpu_seconds=limits.seconds, mapped=mapped)
        probe.serve(0, result)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(70)


if __name__ == "__main__":
    main()

"""The embedded sandbox: Landlock (through sandlock) and seccomp, no daemon and no root.

One clean process imports torch once and forks a confined worker per submission; see
`inside/zygote.py` for what holds a worker, and `inside/lockdown.py` for the system calls.
"""

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import threading

from grader.core.errors import SetupError
from grader.core.extras import Extra, how_to_install
from grader.sandbox.base import Ending, Outcome, SandboxName, Say, interpreter
from grader.sandbox.envelope import BrokenEnvelope, receive
from grader.sandbox.inside.supervisor import WALL_FACTOR, Limits, request

_START_SECONDS = 180.0
_GRACE_SECONDS = 5.0
#: Landlock holds what may be read from its first ABI (Linux 5.13) on. What later ones added, the list of system calls
#: holds on every kernel (`inside/zygote.py`).
_MIN_ABI = 1
NEWEST_ABI = 6  # Linux 6.12: scopes of signals and abstract sockets, the last that was used


def unusable() -> str | None:
    """Why this machine cannot run the sandbox; None if it can."""
    if sys.platform != "linux":
        return f"sandlock needs Linux, this is {sys.platform}"
    if importlib.util.find_spec("sandlock") is None:
        return f"the package sandlock is not installed ({how_to_install(Extra.COURSE)})"
    abi = landlock_abi()
    if abi < _MIN_ABI:
        return f"the kernel's Landlock has ABI {abi}, sandlock needs {_MIN_ABI} (Linux 5.13, with Landlock switched on)"
    return None


def landlock_abi() -> int:
    """The version of Landlock that this kernel has; less than 1 where it has none."""
    import sandlock

    return int(sandlock.landlock_abi_version())


class SandlockSandbox:
    """See the module."""

    name = SandboxName.SANDLOCK
    _helper: tuple[str, ...] = ("-m", "grader.sandbox.inside.zygote")

    def __init__(self, abi: int | None = None) -> None:
        """`abi` holds Landlock to what an older kernel has; by default it is used as far as this one has it."""
        self._abi = abi
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def version(self) -> str:
        """The library's version, and what student code meets."""
        import sandlock

        return f"sandlock {sandlock.__version__}, {interpreter()}"

    def open(self, say: Say) -> None:
        """Start the process that forks workers; it imports torch in the background."""
        problem = unusable()
        if problem:
            raise SetupError(f"--sandbox sandlock cannot run here: {problem}")
        with self._lock:
            self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
        }
        command = [sys.executable, "-s", "-P", "-B", *self._helper, str(theirs.fileno())]
        command.append(str(landlock_abi() if self._abi is None else self._abi))
        self._process = subprocess.Popen(
            [*command, *_readable()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._control = ours
        self._is_ready = False

    def _wait_ready(self) -> None:
        """Wait, once, for torch to be imported over there. Called with the lock held."""
        if self._is_ready:
            return
        assert self._control is not None and self._process is not None and self._process.stderr is not None
        self._control.settimeout(_START_SECONDS)
        try:
            answer = self._control.recv(1)
        except TimeoutError:
            answer = b""
        if not answer:
            self._process.kill()
            why = self._process.stderr.read().decode(errors="replace")[-2000:]
            raise SetupError(f"the sandbox's helper process did not start:\n{why}")
        self._is_ready = True

    def run(self, job: bytes, limits: Limits) -> Outcome:
        """Have one worker forked for the job and wait for its envelope."""
        nonce = secrets.token_hex(16)
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                if self._process is None or self._process.poll() is not None:
                    self._start()  # a helper that died is replaced; its workers' jobs are retried
                self._wait_ready()
                assert self._control is not None
                socket.send_fds(self._control, [b"J"], [theirs.fileno()])
            theirs.close()
            ours.settimeout(WALL_FACTOR * limits.seconds + _START_SECONDS + _GRACE_SECONDS)
            ours.sendall(request(nonce, limits, job))
            with ours.makefile("rb") as stream:
                return Outcome.of(receive(stream, nonce, limits))
        except (OSError, BrokenEnvelope) as error:
            return Outcome(Ending.BROKEN, detail=f"sandlock: {error}")
        finally:
            theirs.close()
            ours.close()  # the end of the lease: whatever still runs is killed

    def close(self) -> None:
        """End the helper; its workers end with their leases."""
        with self._lock:
            if self._control is not None:
                self._control.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                if self._process.stderr is not None:
                    self._process.stderr.close()
            self._process = self._control = None


def _readable() -> list[str]:
    """What a worker may read: the Python installation (for late imports) and its shared libraries."""
    places = ("stdlib", "platstdlib", "purelib", "platlib")  # not the whole of a prefix: a venv may lie anywhere
    paths = {os.path.join(sys.base_prefix, "lib"), *(sysconfig.get_paths()[k] for k in places)}
    system = ["/usr/lib", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/cpuinfo"]
    return sorted(os.path.realpath(p) for p in paths | set(system) if os.path.exists(p))

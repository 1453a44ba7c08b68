"""One container per submission, from our Dockerfile, through the Docker SDK.

Nothing but stdin and stdout crosses the boundary. Inside, `inside/supervisor.py` is PID 1: it
watches the limits, confines the worker further and dies with its stdin, so that no container
outlives the grader that asked for it. Containers are labelled; those whose grader is dead are
removed, by their own ids, when the next run starts.

runc shares the host's kernel. Against strong adversaries name a stronger runtime
(`GRADER_DOCKER_RUNTIME=runsc`) or run the engine in a virtual machine.
"""

import contextlib
import io
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import docker
import docker.errors
from docker.types import Ulimit

from grader.core.errors import SetupError
from grader.sandbox.base import RUNTIME, Ending, Outcome, SandboxName, Say
from grader.sandbox.docker_image import ensure_image, image_tag
from grader.sandbox.docker_owners import ENGINE_ERRORS, LABEL, labels_of, remove, remove_orphans
from grader.sandbox.docker_seccomp import profile
from grader.sandbox.envelope import BrokenEnvelope, receive
from grader.sandbox.inside.supervisor import WALL_FACTOR, Limits, request

_API_SECONDS = 60
_START_SECONDS = 130.0
_GRACE_SECONDS = 5.0
_SHM = "16m"
# What a runtime with a kernel of its own takes beside the submission: gVisor traces each thread with others,
# and holds the files that torch maps (about 500 MB) in its own memory. The limits inside stay the submission's.
_RUNTIME_THREADS = 512
_RUNTIME_MB = 1024
_RESTART_SECONDS = 60.0  # how long a run waits for an engine that went away


def unusable() -> str | None:
    """Why no Docker engine can be used from here; None if one answers."""
    try:
        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except ENGINE_ERRORS as error:
        return f"no Docker engine answers ({str(error).splitlines()[0][:200]})"
    return None


def image_is_built() -> bool:
    """Whether the engine has the image of this installation."""
    client = docker.from_env(timeout=_API_SECONDS)
    with contextlib.closing(client):
        try:
            return bool(client.images.get(image_tag()))
        except docker.errors.ImageNotFound:
            return False


class DockerSandbox:
    """See the module. Build arguments of the image come from the environment:
    GRADER_BASE_IMAGE, GRADER_INDEX_URL (empty for pip's default index), GRADER_DOCKER_RUNTIME.
    """

    name = SandboxName.DOCKER

    def __init__(self) -> None:
        self._client: Any = None
        self._image = ""
        self._run = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._gone = False  # the engine went away and did not come back
        self._has_seccomp = True
        self._runtime = os.environ.get(RUNTIME) or None

    @property
    def version(self) -> str:
        """The image's id: it decides which torch compiles."""
        return f"docker {self._image}"

    def open(self, say: Say) -> None:
        """Connect, remove what dead graders left, and build the image where it is missing."""
        problem = unusable()
        if problem:
            raise SetupError(
                f"--sandbox docker cannot run here: {problem}. Install and start Docker Engine "
                "(Debian, Ubuntu: apt-get install docker.io), or use --sandbox sandlock"
            )
        self._client = docker.from_env(timeout=_API_SECONDS)
        try:
            info = self._client.info()
            self._check_runtime(info.get("Runtimes") or {})
            self._has_seccomp = any("seccomp" in one for one in info.get("SecurityOptions") or ())
            if not self._has_seccomp:
                say("this Docker engine has no seccomp: only the worker's own filter restricts system calls")
            remove_orphans(self._client, say)
            self._image = ensure_image(self._client, say)
        except ENGINE_ERRORS as error:
            raise SetupError(f"the Docker engine failed: {error}") from None

    def _check_runtime(self, known: Mapping[str, Any]) -> None:
        """A runtime is configured under a name, or is the name of a containerd shim. Raises SetupError."""
        if self._runtime and self._runtime not in known and not self._runtime.startswith("io.containerd."):
            raise SetupError(
                f"{RUNTIME}={self._runtime}: this Docker engine has no such runtime. It has "
                f"{', '.join(sorted(known))}; docs/instructors.md says how to add gVisor"
            )

    def run(self, job: bytes, limits: Limits) -> Outcome:
        """Create, attach, start, send the job, read the envelope, remove."""
        nonce = secrets.token_hex(16)
        container = None
        try:
            try:
                container = self._create(limits)
            except docker.errors.ImageNotFound:
                with self._lock:  # removed since the run began: the first to notice builds it again
                    self._image = ensure_image(self._client, lambda _: None)
                container = self._create(limits)
            return self._converse(container, nonce, job, limits)
        except (*ENGINE_ERRORS, SetupError) as error:
            self._wait_for_engine()
            return Outcome(Ending.BROKEN, detail=f"docker: {error}")
        finally:
            if container is not None:
                remove(container)

    def close(self) -> None:
        """Remove what this run still has, and disconnect."""
        if self._client is None:
            return
        with contextlib.suppress(*ENGINE_ERRORS):
            for container in self._client.containers.list(
                all=True, filters={"label": f"{LABEL}.run={self._run}"}, ignore_removed=True
            ):
                remove(container)
        self._client.close()
        self._client = None

    def _wait_for_engine(self) -> None:
        """Where the engine is being restarted, wait for it: whoever retries then finds it."""
        end = time.monotonic() + (0.0 if self._gone else _RESTART_SECONDS)
        while unusable() is not None:
            if time.monotonic() >= end:
                self._gone = True  # the other submissions need not wait as long
                return
            time.sleep(0.2)
        self._gone = False

    def _create(self, limits: Limits) -> Any:
        memory = limits.memory_mb + (_RUNTIME_MB if self._runtime else 0) << 20
        return self._client.containers.create(
            self._image,
            labels=labels_of(self._run, _longest(limits)),
            stdin_open=True,
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=32m,nr_inodes=1024,mode=1777"},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges", *([f"seccomp={profile()}"] if self._has_seccomp else [])],
            user="65534:65534",
            ipc_mode="private",
            shm_size=_SHM,
            pids_limit=limits.threads + (_RUNTIME_THREADS if self._runtime else 0),
            oom_score_adj=1000,
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=1_000_000_000,
            ulimits=[
                Ulimit(name="nofile", soft=256, hard=256),
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="fsize", soft=32 << 20, hard=32 << 20),
            ],
            log_config={"type": "none"},
            environment={"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "HOME": "/tmp", "LANG": "C.UTF-8"},
            init=False,
            runtime=self._runtime,
        )

    def _converse(self, container: Any, nonce: str, job: bytes, limits: Limits) -> Outcome:
        # Attached before the start: attaching to a container that has ended would hang.
        attached = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        raw: socket.socket = attached._sock
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            _hang_up(raw)

        watchdog = threading.Timer(_longest(limits), give_up)
        watchdog.daemon = True
        try:
            container.start()
            watchdog.start()
            raw.settimeout(None)
            raw.sendall(request(nonce, limits, job))
            stream = cast(BinaryIO, io.BufferedReader(_Stdout(raw)))
            outcome = Outcome.of(receive(stream, nonce, limits))
        except BrokenEnvelope as error:
            if self._out_of_memory(container):
                return Outcome(Ending.MEMORY)
            late = " (the container did not answer in time)" if timed_out.is_set() else ""
            return Outcome(Ending.BROKEN, detail=f"docker: {error}{late}")
        finally:
            watchdog.cancel()
            _hang_up(raw)
            attached.close()
        killed = outcome.ending is Ending.EXITED and outcome.signal == 9
        if killed and self._out_of_memory(container):
            return Outcome(Ending.MEMORY, output=outcome.output, seconds=outcome.seconds)
        return outcome

    def _out_of_memory(self, container: Any) -> bool:
        # The kernel's verdict reaches the engine a moment after the kill.
        for _ in range(20):
            container.reload()
            state = container.attrs["State"]
            if state.get("OOMKilled"):
                return True
            if not state.get("Running"):
                return False
            time.sleep(0.05)
        return False


def _longest(limits: Limits) -> float:
    """Seconds after which a container has not answered in time."""
    return WALL_FACTOR * limits.seconds + _START_SECONDS + _GRACE_SECONDS


class _Stdout(io.RawIOBase):
    """The stdout part of an attached stream: frames of an 8-byte header (stream, size) and data."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._left = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self._left == 0:
            header = self._exactly(8)
            if header is None:
                return 0
            size = int.from_bytes(header[4:8], "big")
            if header[0] == 1:
                self._left = size
            else:  # what PID 1 itself says on stderr: drained, not believed
                self._exactly(size)
        data = self._raw.recv(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            chunk = self._raw.recv(size - len(data))
            if not chunk:
                return None
            data += chunk
        return data


def _hang_up(raw: socket.socket) -> None:
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        raw.close()

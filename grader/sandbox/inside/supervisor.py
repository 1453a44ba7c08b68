"""The trusted process beside one worker: feeds it the job, watches its limits, reports how it ended.

In a container it is PID 1 (`main`): the job arrives on stdin, the worker is started by fork *and*
exec so that no secret of this process lies in the student's memory, and one envelope goes to
stdout. In the `sandlock` sandbox, `zygote.py` forks the same supervision per submission.
Standard library only: the file is copied into the sandbox image.

Wire format, both ways: one JSON header, a newline, then the blobs whose lengths it names.
"""

import contextlib
import io
import json
import os
import select
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import Protocol

from .cpu_limit import GRACE_SECONDS

READY = b"R"
OUTPUT_KEPT = 64 << 10
_CHUNK = 1 << 16
_POLL_SECONDS = 0.05
_START_SECONDS = 120.0
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
#: A worker may use its seconds of CPU time; waiting and a busy machine get this much more by the clock.
WALL_FACTOR = 3.0


class Source(Protocol):
    """What requests are read from."""

    def readline(self, size: int, /) -> bytes:
        """One line, at most `size` bytes."""

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""


class Sink(Protocol):
    """What envelopes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""

    def flush(self) -> None:
        """Pass it on."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Sizes in bytes unless named otherwise."""

    seconds: float  # of CPU time, and GRACE_SECONDS more; by the clock WALL_FACTOR times as much
    memory_mb: int
    threads: int
    output: int
    document: int


@dataclass(frozen=True)
class Worker:
    """A started worker: its process and our ends of its three pipes."""

    pid: int
    job: int
    result: int
    output: int


@dataclass(frozen=True)
class Envelope:
    """How a worker ended. `ending` is one of exited, timeout, memory,
    threads, output, document, start, lease."""

    ending: str
    exit_code: int | None
    signal: int | None
    seconds: float
    document: bytes
    output: bytes


def spawn(command: list[str] | None) -> tuple[int, Worker | None]:
    """Fork a worker. In the child returns (0, None) with stdin, stdout and stderr wired, or execs.

    In the child, descriptor 0 is the job, 1 the result and 2 the captured output.
    """
    job_read, job_write = os.pipe()
    result_read, result_write = os.pipe()
    output_read, output_write = os.pipe()
    pid = os.fork()
    if pid:
        for descriptor in (job_read, result_write, output_write):
            os.close(descriptor)
        return pid, Worker(pid, job_write, result_read, output_read)
    for target, source in enumerate((job_read, result_write, output_write)):
        os.dup2(source, target)
    os.closerange(3, 4096)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if command is not None:
        os.execv(command[0], command)
    return 0, None


def supervise(worker: Worker, job: bytes, limits: Limits, lease: int | None) -> Envelope:
    """Run `worker` to its end, whatever it does. The clock starts when it reports that it is ready.

    The process and all its threads are dead when this returns or raises. When `lease` (a descriptor) reaches
    its end, whoever asked for the work is gone and the worker is killed at once.
    """
    try:
        return _drive(worker, job, limits, lease)
    except BaseException:
        with contextlib.suppress(OSError):
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
        raise


# One function in spite of its length: a single loop over one set of descriptors, whose order of closing matters.
def _drive(worker: Worker, job: bytes, limits: Limits, lease: int | None) -> Envelope:
    os.set_blocking(worker.job, False)
    document, output = bytearray(), bytearray()
    output_seen, ready, ending, cpu_limit, mapped_kb = 0, False, "exited", 0.0, 0
    pending = memoryview(job)
    started = time.monotonic()
    deadline = started + _START_SECONDS
    open_pipes = {worker.result, worker.output}
    status: int | None = None

    def take(pipe: int) -> bool:
        """Read once from one of the worker's pipes; False at its end. Limits set `ending`."""
        nonlocal ready, started, deadline, cpu_limit, mapped_kb, output_seen, ending
        data = os.read(pipe, _CHUNK)
        if pipe == worker.output:
            output_seen += len(data)
            output.extend(data[: max(0, OUTPUT_KEPT - len(output))])
            if output_seen > limits.output:
                ending = "output"
            return bool(data)
        if not ready and data[:1] == READY:
            ready, started = True, time.monotonic()
            deadline = started + WALL_FACTOR * limits.seconds
            cpu_limit = cpu_seconds_of(worker.pid) + limits.seconds + GRACE_SECONDS
            mapped_kb = _mapped_kb(worker.pid)
            data = data[1:]
            document.extend(data)
            return True
        document.extend(data)
        if len(document) > limits.document:
            ending = "document"
        return bool(data)

    # Until the process is gone, whether it still holds its pipes or not: every limit holds to the end.
    while status is None and ending == "exited":
        watched = [*open_pipes] + ([lease] if lease is not None else [])
        writable = [worker.job] if ready and pending else []
        readable, writable, _ = select.select(watched, writable, [], _POLL_SECONDS)
        if lease is not None and lease in readable and not os.read(lease, 1):
            ending = "lease"
        if writable:
            try:
                pending = pending[os.write(worker.job, pending[:_CHUNK]) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                pending = pending[:0]
            if not pending:
                os.close(worker.job)
        for pipe in open_pipes & set(readable):
            if not take(pipe):
                open_pipes.discard(pipe)
        if ending == "exited" and time.monotonic() > deadline:
            ending = "stalled" if ready else "start"
        if ending == "exited" and ready:
            ending = _excess(worker.pid, limits, cpu_limit, mapped_kb) or ending
        status = _reap(worker.pid)
    if status is None:
        os.kill(worker.pid, signal.SIGKILL)
        _, status = os.waitpid(worker.pid, 0)
    for pipe in open_pipes:  # what it wrote right before its end
        while ending == "exited" and select.select([pipe], [], [], 0)[0] and take(pipe):
            pass
    seconds = time.monotonic() - started
    for descriptor in (worker.result, worker.output):
        os.close(descriptor)
    if pending or not ready:
        os.close(worker.job)
    if ending == "exited" and not ready:
        ending = "start"  # it died before any student code ran: not the student's doing
    code = os.waitstatus_to_exitcode(status)
    if ending == "exited" and code == -signal.SIGXCPU:
        ending = "timeout"
    return Envelope(
        ending=ending,
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        seconds=seconds,
        document=bytes(document),
        output=bytes(output),
    )


def cpu_seconds_of(pid: int) -> float:
    """CPU time of the process and its threads so far; 0 where it is gone, or where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _excess(pid: int, limits: Limits, cpu_limit: float, mapped_kb: int) -> str | None:
    """The limit that the process is over now, read from /proc; None while within all."""
    if cpu_seconds_of(pid) > cpu_limit:
        return "timeout"
    facts = _status(pid)
    if int(facts.get(b"Threads", b"1")) > limits.threads:
        return "threads"
    # The tables too: touching a page here and there of a vast mapping fills memory with them alone.
    resident_kb = _kb(facts, b"VmRSS") + _kb(facts, b"VmPTE") - mapped_kb
    return "memory" if resident_kb > limits.memory_mb << 10 else None


def _mapped_kb(pid: int) -> int:
    """What a kernel counts as resident because it is mapped, touched or not.

    gVisor counts torch's libraries whole, 3.4 GB of them; Linux counts what is in memory, and tells files apart.
    """
    facts = _status(pid)
    return 0 if b"RssFile" in facts else max(0, _kb(facts, b"VmRSS") - _kb(facts, b"VmData"))


def _status(pid: int) -> dict[bytes, bytes]:
    """`/proc/PID/status`; empty if the process is gone."""
    facts = _facts(f"/proc/{pid}/status")
    if facts and b"VmRSS" not in facts:  # its first thread has ended; those that go on share its memory
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                of_thread = _facts(f"/proc/{pid}/task/{thread}/status")
                if b"VmRSS" in of_thread:
                    return of_thread
    return facts


def _facts(path: str) -> dict[bytes, bytes]:
    # A process may call itself what it likes: of the characters of its name the kernel escapes only the line's end.
    with contextlib.suppress(OSError), open(path, "rb") as status:
        pairs = (line.partition(b":") for line in status.read().split(b"\n"))
        return {name: value for name, colon, value in pairs if colon}
    return {}


def _kb(facts: dict[bytes, bytes], name: bytes) -> int:
    return int(facts.get(name, b"0 kB").split()[0])


def _reap(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return status if done else None


def write_envelope(stream: Sink, envelope: Envelope, nonce: str) -> None:
    """Write `envelope` in the wire format."""
    header = {
        "nonce": nonce,
        "ending": envelope.ending,
        "exit_code": envelope.exit_code,
        "signal": envelope.signal,
        "seconds": envelope.seconds,
        "document": len(envelope.document),
        "output": len(envelope.output),
    }
    stream.write(json.dumps(header).encode() + b"\n" + envelope.document + envelope.output)
    stream.flush()


def read_request(stream: Source) -> tuple[str, Limits, bytes]:
    """Read (nonce, limits, job). Raises ValueError if the stream ends early."""
    header = json.loads(stream.readline(1 << 16))
    job = stream.read(header["job"])
    if len(job) != header["job"]:
        raise ValueError("the request ended early")
    return header["nonce"], Limits(**header["limits"]), job


def request(nonce: str, limits: Limits, job: bytes) -> bytes:
    """The wire form that `read_request` reads."""
    header = {"nonce": nonce, "limits": asdict(limits), "job": len(job)}
    return json.dumps(header).encode() + b"\n" + job


def main() -> None:
    """Be PID 1 of a container: one request in, one envelope out, then end everything."""
    # The kernel shields PID 1 from its own container's signals, but for those that it handles.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from . import lockdown  # Linux only, as is being PID 1; the rest of this module is imported everywhere

    lockdown.not_dumpable()
    stdin = os.fdopen(0, "rb", buffering=0)
    nonce, limits, job = read_request(_Unbuffered(stdin))
    package = __spec__.parent if __spec__ else __package__
    command = [sys.executable, "-s", "-P", "-B", "-m", f"{package}.probe", "--confine"]
    command += [str(limits.memory_mb), str(limits.seconds)]
    _, worker = spawn(command)
    assert worker is not None
    envelope = supervise(worker, job, limits, lease=0)
    write_envelope(sys.stdout.buffer, envelope, nonce)
    os._exit(0)  # the container dies with PID 1, and all that is left in it


class _Unbuffered:
    """Exact reads from a raw stream: what follows the request must stay in the pipe, as the lease."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw

    def readline(self, limit: int, /) -> bytes:
        line = bytearray()
        while len(line) < limit and not line.endswith(b"\n"):
            byte = self._raw.read(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def read(self, size: int, /) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self._raw.read(min(_CHUNK, size - len(data)))
            if not chunk:
                break
            data += chunk
        return bytes(data)


if __name__ == "__main__":
    main()

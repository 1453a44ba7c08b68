"""No sandbox: a plain process with limits on time and output.

CPU time is limited in the process itself (`inside.cpu_limit`), which student code can undo; from outside the time by
the clock, and CPU time where the system has /proc.

It keeps a submission's crash, endless loop and printing away from the grader, and nothing else:
the code can read, write, send and start whatever the user can. For one's own code
(`grader check`), or for an instructor who knows every line that is run.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from typing import IO

from grader.core.errors import SetupError
from grader.sandbox.base import Ending, Outcome, SandboxName, Say, interpreter
from grader.sandbox.inside.cpu_limit import GRACE_SECONDS
from grader.sandbox.inside.supervisor import OUTPUT_KEPT, READY, WALL_FACTOR, Limits, cpu_seconds_of

_START_SECONDS = 120.0


class PlainSandbox:
    """See the module: not a sandbox."""

    name = SandboxName.NONE
    version = f"none, {interpreter()}"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: list[subprocess.Popen[bytes]] = []
        self._running: set[_Watch] = set()

    def open(self, say: Say) -> None:
        """Nothing to prepare."""

    def warm_up(self, runs: int) -> None:
        """Start the processes of the next runs now, so that they have imported torch by then."""
        with self._lock:
            self._warm += [self._start() for _ in range(runs - len(self._warm))]

    def close(self) -> None:
        """End the processes that were started: those that are not used yet, and those at work."""
        with self._lock:
            unused, self._warm = self._warm, []
            running = set(self._running)
        for process in unused:
            process.kill()
            process.communicate()
        for watch in running:
            watch.kill()

    def run(self, job: bytes, limits: Limits) -> Outcome:
        """Run the probe in a process group of its own, killed as a whole at its end."""
        with self._lock:
            watch = _Watch(self._warm.pop() if self._warm else self._start(), job, limits)
            self._running.add(watch)
        try:
            return watch.outcome()
        finally:
            watch.kill()
            watch.process.wait()
            with self._lock:
                self._running.discard(watch)

    def _start(self) -> "subprocess.Popen[bytes]":
        environment = {k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "TEMP", "TMP", "HOME")}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        try:
            return subprocess.Popen(
                [sys.executable, "-s", "-P", "-B", "-m", "grader.sandbox.inside.probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise SetupError(f"a Python process cannot be started: {error}") from None


class _Watch:
    """Feeds and drains one process with threads, which works on every system."""

    def __init__(self, process: "subprocess.Popen[bytes]", job: bytes, limits: Limits) -> None:
        self.process, self.job, self.limits = process, job, limits
        self.document, self.output = bytearray(), bytearray()
        self.output_seen = 0
        self.begun = threading.Event()  # ready for the job, or ended before
        self.was_ready = False
        self.over = threading.Event()  # more output than allowed, or all drained
        self.excess: Ending | None = None
        self._killed = False

    def outcome(self) -> Outcome:
        """Wait for the end and return the outcome."""
        process = self.process
        assert process.stdin and process.stdout and process.stderr
        threads = [
            threading.Thread(target=self._read_result, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_output, args=(process.stderr,), daemon=True),
            threading.Thread(target=self._feed, args=(process.stdin,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        self.begun.wait(_START_SECONDS)
        started, cpu_limit = time.monotonic(), cpu_seconds_of(process.pid) + self.limits.seconds + GRACE_SECONDS
        ending = Ending.EXITED
        while process.poll() is None:
            if self.excess:
                break
            if time.monotonic() - started > WALL_FACTOR * self.limits.seconds:
                ending = Ending.STALLED
                break
            if cpu_seconds_of(process.pid) > cpu_limit:
                ending = Ending.TIMEOUT
                break
            self.over.wait(0.02)
        seconds = time.monotonic() - started
        self.kill()
        for thread, stream in zip(threads, (process.stdout, process.stderr, process.stdin), strict=True):
            thread.join(1.0)
            if not thread.is_alive():  # else a child of the submission holds the other end
                with contextlib.suppress(OSError):
                    stream.close()
        code = process.wait()
        ending = self.excess or ending
        if not self.was_ready:
            text = bytes(self.output).decode(errors="replace")
            return Outcome(Ending.BROKEN, output=bytes(self.output), detail=f"the probe did not start: {text[-500:]}")
        return Outcome(
            ending=ending,
            document=bytes(self.document),
            output=bytes(self.output),
            seconds=seconds,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
        )

    def kill(self) -> None:
        """End the process with the children it may have left; once, since its number may be another's later."""
        if self._killed:
            return
        self._killed = True
        if hasattr(os, "killpg"):
            import signal

            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if self.process.poll() is None:
            self.process.kill()

    def _feed(self, stream: IO[bytes]) -> None:
        self.begun.wait(_START_SECONDS)
        try:
            stream.write(self.job)
            stream.close()
        except OSError:
            pass

    def _read_result(self, stream: IO[bytes]) -> None:
        self.was_ready = stream.read(1) == READY
        self.begun.set()
        while data := stream.read1(1 << 16):  # type: ignore[attr-defined]
            self.document += data
            if len(self.document) > self.limits.document:
                self.excess = Ending.DOCUMENT
                return

    def _read_output(self, stream: IO[bytes]) -> None:
        while data := stream.read1(1 << 16):  # type: ignore[attr-defined]
            self.output_seen += len(data)
            self.output += data[: max(0, OUTPUT_KEPT - len(self.output))]
            if self.output_seen > self.limits.output:
                self.excess = Ending.OUTPUT
                return

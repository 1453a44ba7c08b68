"""Tries everything that grading relies on, on this machine."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from grader.core.environment import Environment
from grader.core.errors import GraderError, SetupError
from grader.core.files import check_writable
from grader.core.task import SandboxLimits, Task, TaskFacts
from grader.core.task_file import load
from grader.grading.calibration import kept
from grader.leaderboard.storage import read
from grader.sandbox import docker, sandlock
from grader.sandbox.base import RUNTIME, Ending, Outcome, Sandbox, SandboxChoice, SandboxName, job_of, limits_of
from grader.sandbox.factory import choose
from grader.submissions.loader import Submission
from grader.training.pool import DeviceChoice, TrainerPool, choose_device, count_gpus, default_workers

_GB = 1 << 30
_IMAGE_GB = 8  # what building the sandbox image may take
_TRAINER_GB = 1.5  # of memory, a training process with torch; the data set comes on top
_NOTHING = TaskFacts(
    n_train=1, n_test=1, classes=2, image=(3, 32, 32), parameters=(), data_hash="", model_hash=""
)  # the trial needs no task: what it tries, it tries when it is imported
_TRIAL = """
import ctypes, fcntl, mmap, os, resource, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)

def make_file():
    path = f"/tmp/grader-doctor-{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(path)

def make_object():
    number = libc.semget(0, 1, 0o1600)
    if number == -1:
        raise OSError(ctypes.get_errno(), "refused")
    libc.semctl(number, 0, 0)  # IPC_RMID

def memory(flags):
    return mmap.mmap(-1, 4096, flags=flags | mmap.MAP_ANONYMOUS)

def attempt(name, action):
    try:
        action()
    except BaseException:
        sys.stderr.write(f"{name}=refused\\n")
    else:
        sys.stderr.write(f"{name}=POSSIBLE\\n")

attempt("network", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=2))
attempt("sockets", lambda: socket.socket(socket.AF_UNIX))
attempt("processes", os.fork)
attempt("programs", lambda: subprocess.run(["/bin/true"], check=True))
attempt("namespaces", lambda: libc.unshare(0x10000000) and 1 / 0)
attempt("reading", lambda: open(FILE).read())
attempt("writing", lambda: open(FILE + ".written", "w"))
attempt("files", make_file)
attempt("signals", lambda: os.kill(os.getppid(), 0))
attempt("objects", make_object)
attempt("locks", lambda: fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB))
attempt("attributes", lambda: fcntl.ioctl(os.open(os.__file__, os.O_RDONLY), 0x80086601, bytes(8)))
attempt("sharing", lambda: memory(mmap.MAP_SHARED))
attempt("limits", lambda: 1 / (not 0 <= resource.getrlimit(resource.RLIMIT_DATA)[0] <= LIMIT))
sys.stderr.write("tried\\n")
"""
_GREEDY = "import sys\nx = [bytearray(1 << 20) for _ in range(4096)]\nsys.stderr.write('had it all')\n"
_WORDS = {
    "network": "connect over the network",
    "sockets": "open a socket",
    "processes": "start a process",
    "programs": "start a program",
    "namespaces": "make a user namespace",
    "reading": "read a file of yours",
    "writing": "write beside your files",
    "files": "make a file",
    "signals": "send signals to other processes",
    "objects": "make objects that outlive it (semaphores, message queues)",
    "locks": "lock files of the installation",
    "attributes": "reach attributes of files",
    "sharing": "make memory that others can share",
    "limits": "use any amount of memory",
}


#: Everything that is tried, as a report lists it.
_TRIED = (*_WORDS, "memory", "time", "output")


class State(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # works, with something to know
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `mend` says what to do if it is not ok."""

    name: str
    state: State
    what: str
    mend: str = ""


def examine(task_name: str, results: Path, board: Path) -> Iterator[Finding]:
    """Everything in turn; each finding as soon as it is known."""
    try:
        task = load(task_name)
    except GraderError as error:
        yield Finding("task", State.FAILED, str(error), "correct the task file")
        task = load("digits")
    folders = [_folder("results", results), _folder("leaderboard", board.parent)]
    beside = results if folders[0].state is not State.FAILED else None  # where what student code must not read will lie
    usable = {SandboxName.DOCKER: docker.unusable, SandboxName.SANDLOCK: sandlock.unusable}
    sandboxes = [_sandbox(name, problem, beside) for name, problem in usable.items()]
    yield from sandboxes
    if not any(finding.state is State.OK for finding in sandboxes):
        mend = "install and start Docker Engine (Debian, Ubuntu: apt-get install docker.io), or use Linux 5.13 or later"
        yield Finding("sandboxes", State.FAILED, "no sandbox works here, so nobody's code can be run", mend)
    yield _gpu()
    yield from _training(task, results)
    yield _memory(task)
    yield from folders
    yield _board(board)


def _sandbox(name: SandboxName, unusable: Callable[[], str | None], beside: Path | None = None) -> Finding:
    problem = unusable()
    if problem is not None:
        other = "Install and start Docker Engine" if name is SandboxName.DOCKER else "Linux 5.13 or later has it"
        return Finding(f"sandbox {name}", State.NOTE, problem, other)
    if name is SandboxName.DOCKER and not docker.image_is_built():
        space = shutil.disk_usage("/").free / _GB
        if space < _IMAGE_GB:
            return Finding(
                f"sandbox {name}", State.FAILED, f"the image is not built, and {space:.0f} GB are free",
                f"free {_IMAGE_GB} GB for it",
            )  # fmt: skip
        what = "an engine answers; the image is not built yet, so nothing was tried"
        return Finding(f"sandbox {name}", State.NOTE, what, "the first grader run builds it, which takes minutes")
    try:
        sandbox = choose(SandboxChoice(name))
        with closing(sandbox):
            sandbox.open(lambda _: None)
            wrong = _tried(sandbox, beside)
    except GraderError as error:
        return Finding(f"sandbox {name}", State.FAILED, str(error), "fix this, or use the other sandbox")
    if wrong:
        mend = "do not grade with it on this machine; report it with the versions of kernel and engine"
        return Finding(f"sandbox {name}", State.FAILED, f"student code could {', '.join(wrong)}", mend)
    return Finding(f"sandbox {name}", State.OK, f"{_built_on(name)}; tried, and refused: {', '.join(_TRIED)}")


def _built_on(name: SandboxName) -> str:
    """What enforces the sandbox on this machine."""
    if name is SandboxName.DOCKER:
        return f"runtime {os.environ.get(RUNTIME) or 'as the engine has it'}"
    abi = sandlock.landlock_abi()
    newest = "" if abi >= sandlock.NEWEST_ABI else f", what {sandlock.NEWEST_ABI} holds besides is held by seccomp"
    return f"Landlock ABI {abi}{newest}"


def _tried(sandbox: Sandbox, beside: Path | None = None) -> list[str]:
    """What forbidden things student code could do in the sandbox."""
    task = load("digits").with_limits(SandboxLimits(seconds=2, output_kb=256))

    def run(code: str) -> Outcome:
        files = {"scheduler.py": code.encode(), "config.py": b"import scheduler\n"}
        outcome = sandbox.run(job_of(Submission("doctor", files), task, _NOTHING), limits_of(task, 300))
        if outcome.ending is Ending.BROKEN:
            raise SetupError(outcome.detail)
        return outcome

    with tempfile.TemporaryDirectory(dir=beside) as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        file = Path(folder).resolve() / "held-out.txt"
        file.write_text("secret")
        file.chmod(0o644)
        given = f"PORT, FILE, LIMIT = {listener.getsockname()[1]}, {str(file)!r}, {task.sandbox.memory_mb << 20}\n"
        said = run(given + _TRIAL).output.decode(errors="replace")
        if "tried\n" not in said:
            raise SetupError(f"the trial did not run to its end: {said[-300:]}")
    wrong = [words for name, words in _WORDS.items() if f"{name}=refused" not in said]
    # Only where the limit is known to be set: the trial takes more than it allows.
    if "limits=refused" in said and b"had it all" in run(_GREEDY).output:
        wrong.append("use more memory than it may")
    # It stops the timer of its own process: a limit from outside must hold, that of the clock on a busy machine.
    endless = run("import signal; signal.setitimer(signal.ITIMER_PROF, 0)\nwhile True: pass")
    if endless.ending not in (Ending.TIMEOUT, Ending.STALLED):
        wrong.append("compute for ever")
    if run("while True: print('x' * 9999)").ending is not Ending.OUTPUT:
        wrong.append("print without end")
    return wrong


def _gpu() -> Finding:
    device, count = choose_device(DeviceChoice.AUTO), count_gpus()
    if device == "cuda":
        return Finding("GPU", State.OK, f"{count} that torch can use; {default_workers(device)} training(s) at a time")
    what = f"none that torch can use: trainings run on the CPU, {default_workers('cpu')} at a time"
    there = shutil.which("nvidia-smi") is not None
    mend = "nvidia-smi is there: install a torch with CUDA that fits the driver" if there else "for a GPU: its driver"
    return Finding("GPU", State.NOTE, what, mend)


def _training(task: Task, results: Path) -> Iterator[Finding]:
    name = f"task {task.name}"
    with closing(TrainerPool(task, choose_device(DeviceChoice.AUTO), 1)) as trainers:
        try:
            facts, environment = trainers.facts()
        except GraderError as error:
            yield Finding(
                name, State.FAILED, str(error).removeprefix(f"{name}: "), "correct the task file, model or data"
            )
            return
    for part, found in zip(task.parts, facts, strict=True):
        yield _trains(part, found, environment)
        yield _calibrated(part, found, results)


def _trains(task: Task, facts: TaskFacts, environment: Environment) -> Finding:
    what = f"{facts.n_train} + {facts.n_test} images, {len(facts.trainable)} parameters, trains on {environment.device}"
    what = f"{what} (torch {environment.torch}, torchvision {environment.torchvision})"
    return Finding(f"task {task.name}", State.OK, what)


def _calibrated(task: Task, facts: TaskFacts, results: Path) -> Finding:
    note = kept(results / task.name)
    if note is None or not note.holds_for(facts):
        what = "not known" if note is None else "known for other data or another model only"
        return Finding("calibration", State.NOTE, f"what the task tells apart is {what}", "grader calibrate finds out")
    if not note.tells_apart:
        return Finding("calibration", State.NOTE, note.outcome, "change the task before the class hands in")
    return Finding("calibration", State.OK, note.outcome)


def _memory(task: Task) -> Finding:
    workers = default_workers(choose_device(DeviceChoice.AUTO))
    wanted = workers * (_TRAINER_GB + max(task.memory_mb, task.sandbox.memory_mb) / 1024)
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GB
        free = max(free, _available_gb())
    except (ValueError, OSError, AttributeError):
        return Finding("memory", State.NOTE, "this system does not say how much is free")
    what = f"{free:.0f} GB free; {workers} at a time may need {wanted:.0f} GB"
    if free < wanted:
        return Finding("memory", State.NOTE, what, "choose a smaller number with --jobs")
    return Finding("memory", State.OK, what)


def _available_gb() -> float:
    """Memory that Linux could make available, in GB; 0 on other systems."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) / (1 << 20) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return 0.0


def _folder(name: str, folder: Path) -> Finding:
    try:
        check_writable(folder)
    except SetupError as error:
        return Finding(name, State.FAILED, str(error), "make it writable, or name another folder")
    free = shutil.disk_usage(folder).free / _GB
    what = f"{folder} can be written; {free:.1f} GB are free"
    if free < 1:
        return Finding(name, State.NOTE, what, "a log and trainings take about 0.1 MB per submission")
    return Finding(name, State.OK, what)


def _board(path: Path) -> Finding:
    try:
        board = read(path)
    except SetupError as error:
        return Finding("board", State.NOTE, str(error), "the next run renames it and restores the board from the logs")
    if board is None:
        return Finding("board", State.OK, f"none at {path} yet")
    return Finding("board", State.OK, f"{len(board.rows)} rows of task {board.task.name} at {path}")

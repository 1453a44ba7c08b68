"""Attacks on both real sandboxes. Each tries something and says how it went; nothing may have worked."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from grader.core.task import SandboxLimits, Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox import docker as docker_module
from grader.sandbox import docker_owners
from grader.sandbox.base import Ending, Sandbox, SandboxChoice, job_of, limits_of
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.factory import choose, opened
from grader.sandbox.inside import supervisor
from grader.sandbox.plain import PlainSandbox
from grader.sandbox.sandlock import SandlockSandbox
from support.patched import Patched
from support.runs import descendants
from support.submissions import Compile, make

TRY = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments, but=()):
    if libc.syscall(*arguments) == -1 and ctypes.get_errno() not in but:
        raise OSError(ctypes.get_errno(), "refused")
def attempt(name, action):
    try:
        result = action()
    except BaseException as error:
        sys.stderr.write(f"{name}: {type(error).__name__}\\n")
    else:
        sys.stderr.write(f"{name}: WORKED {str(result)[:60]!r}\\n")
"""


LATER = """
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def later():
    time.sleep(0.2)
    for _ in range(40):
        place = libc.mmap(None, 50 << 20, 3, 0x22, -1, 0)
        libc.memset(place, 1, 50 << 20)
        libc.mprotect(place, 50 << 20, 1)
        time.sleep(0.02)
    time.sleep(1)
    os._exit(3)
threading.Thread(target=later).start()
libc.syscall(60, 0)
"""


def said(sandbox: Sandbox, task: Task, facts: TaskFacts, attack: str) -> str:
    result = Compile(sandbox, task, facts)(make(scheduler=TRY + attack))
    assert result.output, result
    return result.output


def test_network_is_closed_in_every_family(confined: Sandbox, task: Task, facts: TaskFacts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        output = said(
            confined,
            task,
            facts,
            f"""
import socket
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
for family in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"):
    attempt(family, lambda: socket.socket(getattr(socket, family), socket.SOCK_DGRAM))
attempt("docker.sock", lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"))
""",
        )
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "WORKED" not in output
    assert output.count("PermissionError") == 8


def test_files_and_secrets_are_out_of_reach(
    confined: Sandbox, task: Task, facts: TaskFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "labels.txt"
    secret.write_text("the held-out labels")
    secret.chmod(0o644)
    output = said(
        confined,
        task,
        facts,
        f"""
import os
attempt("labels", lambda: open({str(secret)!r}).read())
attempt("shadow", lambda: open("/etc/shadow").read())
attempt("home", lambda: os.listdir("/root"))
attempt("parent's memory", lambda: open(f"/proc/{{os.getppid()}}/mem", "rb").read(1))
attempt("parent's environment", lambda: open(f"/proc/{{os.getppid()}}/environ", "rb").read(1))
attempt("write beside", lambda: open({str(tmp_path / "mine")!r}, "w"))
attempt("write to python", lambda: open(os.path.join(os.path.dirname(os.__file__), "mine.py"), "w"))
attempt("link", lambda: os.symlink("/etc/shadow", "/usr/lib/mine"))
attempt("device", lambda: os.mknod("/tmp/mine", 0o600 | 0o020000, os.makedev(1, 3)))
sys.stderr.write("variables: " + " ".join(sorted(os.environ)) + "\\n")
""",
    )
    assert "WORKED" not in output
    assert list(tmp_path.iterdir()) == [secret]
    variables = set(output.split("variables: ")[1].split())
    ours = {"HOME", "LANG", "LC_CTYPE", "OMP_NUM_THREADS", "PATH", "PYTHONHASHSEED", "TORCHINDUCTOR_CACHE_DIR", "PWD"}
    image = {"HOSTNAME", "GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256"}
    assert variables <= ours | image, variables


def test_no_process_is_started_traced_or_killed(confined: Sandbox, task: Task, facts: TaskFacts) -> None:
    output = said(
        confined,
        task,
        facts,
        """
import os, subprocess
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/sh", ["sh"]))
attempt("spawn", lambda: subprocess.run(["/bin/true"]))
attempt("ptrace", lambda: call(101, 16, os.getppid(), 0, 0))
attempt("process_vm_readv", lambda: call(310, os.getppid(), 0, 0, 0, 0, 0))
attempt("io_uring", lambda: call(425, 1, 0))
attempt("keyring", lambda: call(250, 0, -3, 0, 0, 0))
attempt("user namespace", lambda: call(272, 0x10000000))
attempt("memfd", lambda: os.memfd_create("x"))
attempt("bpf", lambda: call(321, 0, 0, 0))
attempt("raise a limit", lambda: __import__("resource").setrlimit(7, (1 << 20, 1 << 20)))
""",
    )
    assert "WORKED" not in output
    assert output.count("Error") == 11


def test_nothing_of_others_can_be_changed(confined: Sandbox, task: Task, facts: TaskFacts, tmp_path: Path) -> None:
    """Landlock knows nothing of modes, times, attributes, limits and priorities: the filter refuses them."""
    theirs = tmp_path / "board.json"
    theirs.write_text("x")
    before = theirs.stat()
    output = said(
        confined,
        task,
        facts,
        f"""
import os, resource, socket
parent, path = os.getppid() or 1, {str(theirs)!r}
attempt("limits of another", lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, (0, 0)))
attempt("priority of another", lambda: os.setpriority(os.PRIO_PROCESS, parent, 19))
attempt("processor of another", lambda: os.sched_setaffinity(parent, {{0}}))
attempt("class of another", lambda: os.sched_setscheduler(parent, os.SCHED_IDLE, os.sched_param(0)))
attempt("mode", lambda: os.chmod(path, 0))
attempt("owner", lambda: os.chown(path, 1, 1))
attempt("time", lambda: os.utime(path, (1, 1)))
attempt("attribute", lambda: os.setxattr(path, "user.x", b"x"))
attempt("watch", lambda: call(294, 0))
attempt("socketpair", socket.socketpair)
attempt("stack memory", lambda: __import__("mmap").mmap(-1, 4096, flags=0x02 | 0x20 | 0x100))
""",
    )
    assert "WORKED" not in output
    assert output.count("Error") == 11
    assert theirs.stat() == before


def test_no_object_or_lock_carries_a_message_to_others(
    confined: Sandbox, task: Task, facts: TaskFacts, tmp_path: Path
) -> None:
    """System V and POSIX objects, attributes, locks and shared memory outlive a worker, or reach one beside it."""
    output = said(
        confined,
        task,
        facts,
        """
import ctypes, fcntl, mmap, os, torch
file = open(torch.__file__, "rb")
mapped = mmap.mmap(file.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
address = libc.mmap
address.restype = ctypes.c_void_p
page = address(None, 4096, 1, 2, file.fileno(), 0)
LOOKED_AT = (2, 14, 22, 43)  # by the kernel, which then refused the arguments: no filter did
NAMES = dict(shmget=29, shmat=30, shmctl=31, semget=64, semop=65, semctl=66, msgget=68, msgsnd=69, msgrcv=70,
             msgctl=71, mq_open=240, mq_unlink=241, mq_timedsend=242, memfd_create=319, flock=73, eventfd2=290,
             signalfd4=289, epoll_create1=291, inotify_init1=294, io_setup=206, pidfd_open=434, landlock=444,
             cachestat=451, readahead=187, fadvise64=221, sync_file_range=277, mlock=149, msync=26, mincore=27,
             sched_setattr=314, ioprio_set=251, setpriority=141, umask=95, personality=135, socketpair=53)
for name, number in NAMES.items():
    attempt(name, lambda: call(number, 0, 0, 0, 0, 0, but=LOOKED_AT))
attempt("inode flags", lambda: fcntl.ioctl(file, 0x40086602, b"\\0" * 8))
attempt("flags read", lambda: fcntl.ioctl(file, 0x80086601, b"\\0" * 8))
attempt("write hint", lambda: fcntl.fcntl(file, 1036, b"\\0" * 8))
attempt("posix lock", lambda: fcntl.lockf(file, fcntl.LOCK_SH))
attempt("open lock", lambda: fcntl.fcntl(file, 37, b"\\0" * 32))
attempt("lease", lambda: fcntl.fcntl(file, 1024, 0))
attempt("shared mapping", lambda: mmap.mmap(file.fileno(), 4096, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ))
attempt("droppable memory", lambda: mmap.mmap(-1, 4096, flags=0x08 | 0x20))
attempt("futex on a file", lambda: call(202, ctypes.c_void_p(page), 1, 1, 0, 0, 0, but=LOOKED_AT))
attempt("dumpable again", lambda: libc.prctl(4, 1, 0, 0, 0) and 1 / 0)
attempt("a pipe", os.pipe)
attempt("its processors", lambda: os.sched_setaffinity(0, {0}))
attempt("another's processors", lambda: os.sched_getaffinity(os.getppid() or 1))
attempt("another's clock", lambda: libc.clock_gettime((~(os.getppid() or 1) << 3) | 2, b" " * 16) and 1 / 0)
attempt("another's session", lambda: os.getsid(os.getppid() or 1))
attempt("another's priority", lambda: os.getpriority(os.PRIO_PROCESS, 0) and 1 / 0 or os.nice(1))
""",
    )
    assert "WORKED" not in output
    assert output.count("Error") == 35 + 16


@pytest.mark.parametrize(
    "flags", ["os.O_WRONLY", "os.O_RDWR", "os.O_CREAT | os.O_WRONLY", "os.O_TRUNC", "os.O_TMPFILE"]
)
def test_no_file_is_opened_for_writing(confined: Sandbox, task: Task, facts: TaskFacts, flags: str) -> None:
    """Not where it could be written, either: in the container's /tmp, or the file of a grader's own user."""
    attack = f"""
import os
for place in ("/tmp/x", "/tmp", os.__file__, "/dev/null"):
    attempt(place, lambda: os.open(place, {flags}))
"""
    output = said(confined, task, facts, attack)
    assert output.count("PermissionError") == 4, output


def test_where_the_grader_is_root_each_worker_is_a_user_of_its_own(task: Task, facts: TaskFacts) -> None:
    """So nothing that is the grader's by its owner is a worker's, nor one worker's another's."""
    sandbox = Patched("zygote._is_public = lambda path: True")  # wherever the tests' own Python lies
    sandbox.open(print)
    users = set()
    try:
        for _ in range(2):
            ids = said(sandbox, task, facts, "import os; sys.stderr.write(str(os.getresuid()))")
            real, effective, saved = map(int, ids.strip("()").split(","))
            assert real == effective == saved
            users.add(real)
    finally:
        sandbox.close()
    assert (len(users) == 2 and 0 not in users) if os.geteuid() == 0 else users == {os.geteuid()}


def test_hashes_are_the_same_in_every_run(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    here = subprocess.run(
        [sys.executable, "-c", "print(hash('x'))"],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said(sandbox, task, facts, "sys.stderr.write(str(hash('x')))").strip() == here.stdout.strip()


def test_limits_hold_after_the_pipes_are_closed(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    attack = """
import os, threading, time
os.closerange(0, 64)
threading.stack_size(64 << 10)
for _ in range(300):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(60)
"""
    started = time.monotonic()
    result = Compile(sandbox, task, facts)(make(scheduler=attack))
    assert result.verdict is Verdict.CRASH  # ended by us, or refused its threads by the kernel
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_the_supervisor_survives_the_signals_of_its_worker(
    confined: Sandbox, task: Task, facts: TaskFacts, number: signal.Signals
) -> None:
    attack = (
        f"import os\nfor victim in (os.getppid(), 1, -1):\n    attempt(victim, lambda: os.kill(victim, {number:d}))"
    )
    result = Compile(confined, task, facts)(make(scheduler=TRY + attack))
    assert result.verdict in (Verdict.CONTRACT, Verdict.CRASH, Verdict.TIMEOUT), result  # kill(-1) may hit itself
    assert Compile(confined, task, facts)(make()).verdict is Verdict.OK


def test_threads_are_counted(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    attack = """
import threading, time
threading.stack_size(64 << 10)
for _ in range(500):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(2)
"""
    result = Compile(sandbox, task, facts)(make(scheduler=attack))
    assert result.verdict is Verdict.CRASH
    assert "thread" in str(result.violations[0])


def test_threads_left_behind_do_not_delay_the_result(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    left = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    result = Compile(sandbox, task, facts)(make(scheduler=left + make().files["scheduler.py"].decode()))
    assert result.verdict is Verdict.OK
    assert result.seconds < 4


def test_open_files_and_disk_are_limited(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    output = said(
        sandbox,
        task,
        facts,
        """
import os
def many():
    return [os.dup(2) for _ in range(2000)]
attempt("descriptors", many)
""",
    )
    assert "descriptors: OSError" in output
    fill = "\ndef fill():\n    for n in range(100):\n        open(f'/tmp/fill{n}', 'wb').write(bytes(16 << 20))\n"
    output = said(sandbox, task, facts, fill + "attempt('disk', fill)")
    assert "WORKED" not in output
    inodes = "\ndef inodes():\n    for n in range(5000):\n        open(f'/tmp/n{n}', 'w').close()\n"
    output = said(sandbox, task, facts, inodes + "attempt('inodes', inodes)")
    assert "WORKED" not in output


def test_open_files_are_limited_over_all_tables(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    """A thread with a table of its own would have a limit of its own (close_range(2), CLOSE_RANGE_UNSHARE)."""
    output = said(sandbox, task, facts, "attempt('a table of its own', lambda: call(436, 3, 2**32 - 1, 2))")
    assert "PermissionError" in output


def test_memory_is_limited_after_the_first_thread_has_ended(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    """The kernel then tells its memory of its threads alone; and RLIMIT_DATA counts only what may be written."""
    result = Compile(sandbox, task, facts)(make(scheduler=LATER))
    assert result.verdict is Verdict.MEMORY, result


def test_a_process_cannot_call_itself_what_a_limit_reads(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    """`/proc/PID/status` gives the name of a process as it is, but for its line ends."""
    output = said(sandbox, task, facts, r"attempt('a name', lambda: call(157, 15, b'a\rVmRSS: zz', 0, 0, 0))")
    assert "PermissionError" in output


@pytest.mark.parametrize("name", ["a\rVmRSS: zz", "a)b", "Threads: z"])
def test_what_a_process_calls_itself_is_no_fact_about_it(name: str) -> None:
    rename = f"import ctypes; ctypes.CDLL(None).prctl(15, {name.encode()!r}, 0, 0, 0); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", rename], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        facts = supervisor._status(process.pid)
        assert supervisor._kb(facts, b"VmRSS") > 1000
        assert int(facts[b"Threads"]) == 1
        process.kill()


def test_a_supervisor_that_fails_leaves_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ValueError("unforeseen")

    monkeypatch.setattr(supervisor, "_excess", broken)
    limits = supervisor.Limits(seconds=5, memory_mb=1500, threads=64, output=1 << 20, document=1 << 20)
    _, worker = supervisor.spawn([sys.executable, "-c", "import os; os.write(1, b'R'); input(); input()"])
    assert worker is not None
    with pytest.raises(ValueError, match="unforeseen"):
        supervisor.supervise(worker, b"{}", limits, None)
    assert not Path(f"/proc/{worker.pid}").exists()


def test_time_limit_is_kept_to_the_second(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    limits = dataclasses.replace(limits_of(task, 300), seconds=1.5)
    started = time.monotonic()
    outcome = sandbox.run(job_of(make(scheduler="while True: pass"), task, facts), limits)
    assert outcome.ending is Ending.TIMEOUT
    assert 1.4 < outcome.seconds < 6.0
    assert time.monotonic() - started < 60
    limits = dataclasses.replace(limits, seconds=0.5)
    outcome = sandbox.run(job_of(make(scheduler="import time; time.sleep(60)"), task, facts), limits)
    assert outcome.ending is Ending.STALLED
    assert 1.4 < outcome.seconds < 4.0  # asleep: three times the limit, by the clock


def test_a_document_too_large_is_cut(sandbox: Sandbox, facts: TaskFacts, task: Task) -> None:
    """Student code finds the channel of the result and fills it: ended at the limit, and told so."""
    attack = """
import os, stat
others = {os.fstat(n).st_ino for n in range(3)}
channels = []
for n in range(3, 64):
    try:
        if stat.S_ISFIFO(os.fstat(n).st_mode) and os.fstat(n).st_ino not in others:
            channels.append(n)
    except OSError:
        pass
for n in channels:
    for _ in range(LIMIT // 65536 + 3):
        os.write(n, b"x" * 65536)
"""
    small = task.with_limits(SandboxLimits(seconds=20, document_kb=256))
    at_most = attack.replace("LIMIT", str(256 << 10))
    result = Compile(sandbox, small, facts)(make(scheduler=at_most))
    assert result.verdict is Verdict.OUTPUT, result
    assert "more than 256 KB" in str(result.violations[0])
    # The same writing, within a limit that is larger: no document of the probe's, and nothing was cut.
    result = Compile(sandbox, task, facts)(make(scheduler=at_most))
    assert result.verdict is Verdict.CRASH, result
    assert "wrote over the record" in str(result.violations[0])


def test_a_forged_recipe_gains_nothing_a_scheduler_could_not_have(
    sandbox: Sandbox, task: Task, facts: TaskFacts
) -> None:
    """Whoever writes the document himself has chosen learning rates, which is what he may do: all rules still hold."""
    honest = Compile(sandbox, task, facts)(make()).recipe
    assert honest is not None
    forged = honest.model_dump(mode="json")
    forged["groups"][0]["lr"] = {"values": [-1.0], "counts": [46]}
    recipe: Any
    for recipe in (forged, {**honest.model_dump(mode="json"), "accuracy": 1.0}, {"groups": []}, None):
        document = {
            "protocol": 1,
            "memory": False,
            "violations": [],
            "recipe": recipe,
            "torch": "",
            "torchvision": None,
        }
        attack = f"import os\nfor d in range(3, 12):\n    try: os.write(d, {json.dumps(document).encode()!r})\n"
        attack += "    except OSError: pass\nos._exit(0)"
        result = Compile(sandbox, task, facts)(make(scheduler=attack))
        assert result.verdict in (Verdict.CONTRACT, Verdict.CRASH)
        assert result.recipe is None


def test_jobs_run_side_by_side(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    results = {}
    compile_ = Compile(sandbox, task, facts)
    texts = ["while True: pass", "import os; os._exit(5)", make().files["scheduler.py"].decode()]

    def go(index: int) -> None:
        results[index] = compile_(make(scheduler=texts[index])).verdict

    threads = [threading.Thread(target=go, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert results == {0: Verdict.TIMEOUT, 1: Verdict.CRASH, 2: Verdict.OK}


def test_a_dead_helper_is_replaced(task: Task, facts: TaskFacts) -> None:
    sandbox = SandlockSandbox()
    sandbox.open(print)
    try:
        assert Compile(sandbox, task, facts)(make()).verdict is Verdict.OK
        assert sandbox._process is not None
        sandbox._process.kill()
        sandbox._process.wait()
        assert Compile(sandbox, task, facts)(make()).verdict is Verdict.OK
    finally:
        sandbox.close()


@pytest.fixture(scope="module")
def old_kernel() -> Iterator[SandlockSandbox]:
    """Landlock as Linux 5.13 had it: it holds what may be opened, and nothing of what came later."""
    sandbox = SandlockSandbox(abi=1)
    sandbox.open(print)
    yield sandbox
    sandbox.close()


@pytest.fixture(params=["sandlock", "old_kernel", pytest.param("docker_box", marks=pytest.mark.docker)])
def confined(request: pytest.FixtureRequest) -> Sandbox:
    return request.getfixturevalue(request.param)


GRADER = """
import sys
from grader.core import task_file as tasks
from grader.core.task import SandboxLimits
from grader.training import data, models
from grader.sandbox import docker_owners
from grader.sandbox.base import SandboxChoice, job_of, limits_of
from grader.sandbox.factory import choose
from grader.submissions.loader import Submission
task = tasks.load("digits").with_limits(SandboxLimits(seconds=100))
facts = models.facts_of(task, data.load(task))
box = choose(SandboxChoice(sys.argv[1])); box.open(lambda text: None)
files = {"scheduler.py": b"import sys\\nwhile True: pass", "config.py": b""}
print(docker_owners.me(), flush=True)
box.run(job_of(Submission("x", files), task, facts), limits_of(task, 300))
"""


def _wait(condition: object, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


def test_workers_die_with_a_killed_grader() -> None:
    with subprocess.Popen([sys.executable, "-c", GRADER, "sandlock"], stdout=subprocess.PIPE) as grader:
        assert _ready(grader)
        assert _wait(lambda: len(descendants(grader.pid)) >= 3)
        workers = descendants(grader.pid)
        grader.send_signal(signal.SIGKILL)
    assert _wait(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers)), workers


def _ready(grader: subprocess.Popen[bytes]) -> str:
    """Wait until it is, and say as whom it owns containers."""
    assert grader.stdout is not None
    return grader.stdout.readline().decode().strip()


def _containers_of(client: docker.DockerClient, owner: str, *, stopped: bool = True) -> set[str]:
    """Those of one grader: other tests may be running beside this one, with containers of their own."""
    label = f"{docker_owners.LABEL}.owner={owner}"
    return {c.id for c in client.containers.list(ignore_removed=True, all=stopped, filters={"label": label})}


@pytest.mark.docker
def test_containers_die_with_a_killed_grader_and_are_removed_by_the_next() -> None:
    client = docker.from_env()
    with subprocess.Popen([sys.executable, "-c", GRADER, "docker"], stdout=subprocess.PIPE) as grader:
        owner = _ready(grader)
        assert _wait(lambda: _containers_of(client, owner, stopped=False))
        grader.send_signal(signal.SIGKILL)
    assert _wait(lambda: not _containers_of(client, owner, stopped=False))
    box = DockerSandbox()
    box.open(print)
    box.close()
    assert not _containers_of(client, owner)
    client.close()


@pytest.mark.docker
@pytest.mark.mounts
def test_graders_in_separate_namespaces_do_not_remove_each_others_containers() -> None:
    """As two graders in containers on one engine: neither sees the other's process, whose number means nothing here."""
    client = docker.from_env()
    call = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", GRADER, "docker"]
    call = call if os.geteuid() == 0 else ["sudo", "-n", *call]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as grader:
        try:
            owner = _ready(grader)
            assert owner.split(":")[1] != docker_owners.me().split(":")[1]
            assert _wait(lambda: _containers_of(client, owner))
            theirs = _containers_of(client, owner)
            other = DockerSandbox()
            other.open(print)
            other.close()
            assert theirs <= _containers_of(client, owner)
        finally:
            grader.kill()
    for container in theirs:  # nobody here can know that their grader is dead, so this test says it
        client.containers.get(container).remove(force=True)
    client.close()


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({}, False),
        ({"pid": "4194303"}, True),
        ({"start": "1"}, True),
        ({"namespace": "1", "pid": "4194303"}, False),
        ({"boot": "another", "pid": "4194303"}, False),
    ],
    ids=["alive", "gone", "another process of that number", "another namespace", "another machine"],
)
def test_only_who_can_know_says_that_a_grader_is_dead(change: dict[str, str], dead: bool) -> None:
    owner = dict(zip(("boot", "namespace", "pid", "start"), docker_owners.me().split(":"), strict=True))
    assert docker_owners.dead(":".join((owner | change).values())) is dead


@pytest.mark.docker
def test_an_out_of_memory_kill_is_told_from_a_crash(docker_box: DockerSandbox, task: Task, facts: TaskFacts) -> None:
    """Shared memory escapes RLIMIT_DATA; the container's own limit and the kernel's word catch it."""
    attack = "import mmap\nblock = mmap.mmap(-1, 1 << 31)\n"
    assert Compile(docker_box, task, facts)(make(scheduler=attack)).verdict is Verdict.CRASH  # refused by the filter
    small = task.with_limits(SandboxLimits(seconds=20, memory_mb=512))
    outcome = Compile(docker_box, small, facts)(make(scheduler="x = [bytearray(1 << 20) for _ in range(4000)]"))
    assert outcome.verdict is Verdict.MEMORY


def test_plain_processes_are_limited_in_time_and_output(task: Task, facts: TaskFacts) -> None:
    compile_ = Compile(PlainSandbox(), task, facts)
    assert compile_(make()).verdict is Verdict.OK
    quick = task.with_limits(SandboxLimits(seconds=2))
    assert Compile(PlainSandbox(), quick, facts)(make(scheduler="while True: pass")).verdict is Verdict.TIMEOUT
    assert compile_(make(scheduler="while True: print('x' * 99999)")).verdict is Verdict.OUTPUT
    assert compile_(make(scheduler="import os; os._exit(3)")).verdict is Verdict.CRASH


def test_auto_prefers_docker_then_sandlock_then_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from grader.core.errors import SetupError
    from grader.sandbox import sandlock as sandlock_module

    monkeypatch.setattr(docker_module, "unusable", lambda: None)
    assert choose(SandboxChoice.AUTO).name == "docker"
    monkeypatch.setattr(docker_module, "unusable", lambda: "no engine")
    monkeypatch.setattr(sandlock_module, "unusable", lambda: None)
    assert choose(SandboxChoice.AUTO).name == "sandlock"
    monkeypatch.setattr(sandlock_module, "unusable", lambda: "old kernel")
    with pytest.raises(SetupError, match=r"no engine; old kernel.*Install and start Docker"):
        choose(SandboxChoice.AUTO)


def test_nothing_less_is_taken_where_a_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names gVisor wants a kernel of its own for the submissions, or no grading."""
    from grader.core.errors import SetupError

    monkeypatch.setenv("GRADER_DOCKER_RUNTIME", "no-such-runtime")
    said: list[str] = []
    for host in (None, "unix:///nowhere/docker.sock"):
        if host:
            monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(SetupError):
            opened(SandboxChoice.AUTO, said.append)
    assert not any("sandlock" in line for line in said)


@pytest.mark.docker
def test_auto_takes_sandlock_where_the_image_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a registry an engine answers and is of no use."""
    from grader.core.errors import SetupError

    monkeypatch.setenv("GRADER_BASE_IMAGE", "localhost:1/no-such-image")
    said: list[str] = []
    with contextlib.closing(opened(SandboxChoice.AUTO, said.append)) as sandbox:
        assert sandbox.name == "sandlock"
    assert any("Docker is not used: the sandbox image could not be built" in line for line in said)
    assert any("using sandlock instead" in line for line in said)
    with pytest.raises(SetupError, match=r"could not be built(.|\n)*--sandbox sandlock"):
        opened(SandboxChoice.DOCKER, said.append)

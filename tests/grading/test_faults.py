"""Faults of ours, injected into real runs: nothing is lost, nobody pays for it, and the next run goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.docker_image import image_tag
from grader.sandbox.docker_owners import LABEL
from support.runs import MODEL, command, injected, make_class, read_to, rows, run, started, trainings
from support.submissions import CONFIG, ROOT, Compile, make

COUNT = 4


def students(where: Path) -> dict[str, str]:
    return {name: row["verdict"] for (kind, name), row in rows(where).items() if kind == "student"}


def all_ok(count: int = COUNT) -> dict[str, str]:
    return {f"student{n:02}": "ok" for n in range(count)}


def accuracies(where: Path) -> dict[tuple[str, str], float]:
    return {key: row["accuracy"] for key, row in rows(where).items()}


# -- the machine


def mount(folder: Path, *options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    as_root("mount", *options, str(folder))


def as_root(*call: str) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*prefix, *call], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KB at `tmp_path/leaderboard`."""
    folder = tmp_path / "leaderboard"
    mount(folder, "-t", "tmpfs", "-o", "size=600k,mode=1777", "tmpfs")
    yield folder
    as_root("umount", str(folder))


@pytest.mark.mounts
def test_a_full_disk_ends_the_run_with_the_board_whole(tmp_path: Path, small_disk: Path) -> None:
    folder = make_class(tmp_path / "class", COUNT)
    for name in ("student02", "student03"):
        (folder / name).rename(tmp_path / name)
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    before = rows(tmp_path)
    for name in ("student02", "student03"):
        (tmp_path / name).rename(folder / name)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as stream:
        while True:
            stream.write(bytes(4096))
            stream.flush()
    done = run(folder, "--sandbox", "sandlock", where=tmp_path)
    assert done.returncode == 3
    assert "cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(tmp_path) == before
    known = trainings(tmp_path)
    filler.unlink()
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    assert students(tmp_path) == all_ok()
    assert known.items() <= trainings(tmp_path).items()


@pytest.mark.mounts
def test_a_disk_that_fills_up_in_the_middle_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    folder = make_class(tmp_path / "class", 8)
    with started(command(folder, "--sandbox", "sandlock", where=tmp_path), tmp_path) as process:
        read_to(process, "[3/")
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as stream:
            while True:
                stream.write(bytes(1024))
                stream.flush()
        assert process.wait(300) == 3
        assert process.stdout is not None
        assert "No space left on device" in process.stdout.read()
    found = rows(tmp_path)  # whole, as far as it came
    known = trainings(tmp_path)
    filler.unlink()
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    assert students(tmp_path) == all_ok(8)
    assert found.keys() <= rows(tmp_path).keys()
    assert known.items() <= trainings(tmp_path).items()


@pytest.mark.mounts
@pytest.mark.parametrize("name", ["results", "leaderboard"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_graded(tmp_path: Path, name: str) -> None:
    folder = make_class(tmp_path / "class", 1)
    mount(tmp_path / name, "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs")
    try:
        start = time.monotonic()
        done = run(folder, "--sandbox", "sandlock", where=tmp_path)
    finally:
        as_root("umount", str(tmp_path / name))
    assert done.returncode == 3
    assert "Read-only file system" in done.stderr
    assert name in done.stderr
    assert "grading" not in done.stdout
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("box", ["sandlock", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, box: str) -> None:
    folder = make_class(tmp_path / "class", 2)
    jumps = "import time\nnow, count = time.time, [0]\ndef jump():\n    count[0] += 1\n"
    jumps += "    return now() + (86400 if count[0] % 2 else -86400)\ntime.time = jump"
    call = injected(jumps, folder, "--sandbox", box, where=tmp_path)
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert students(tmp_path) == all_ok(2)


@pytest.mark.docker
def test_a_container_at_work_is_no_orphan_whatever_the_clock_says(
    docker_box: DockerSandbox, task: Task, facts: TaskFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts: list[Verdict] = []
    compile_ = Compile(docker_box, task, facts)
    thread = threading.Thread(target=lambda: verdicts.append(compile_(make()).verdict))
    thread.start()
    time.sleep(1.0)
    monkeypatch.setattr(time, "time", lambda: 1e10)
    other = DockerSandbox()
    other.open(print)
    other.close()
    thread.join(60)
    assert verdicts == [Verdict.OK]


# -- the trainer


def _trainers(pid: int) -> list[int]:
    """The training processes of a grader: children of its fork server."""
    servers = [child for child in _children(pid) if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return [trainer for server in servers for trainer in _children(server)]


def _children(pid: int) -> list[int]:
    """Of all threads of a process."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for one in lists for child in one.read_text().split()]


def test_a_trainer_that_is_killed_is_replaced_and_its_training_made_again(tmp_path: Path) -> None:
    """As the kernel does where memory runs out."""
    folder = make_class(tmp_path / "class", COUNT)
    for config in folder.glob("*/config.py"):
        config.write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 8"))
    with started(command(folder, "--sandbox", "sandlock", where=tmp_path), tmp_path) as process:
        read_to(process, "[2/")
        killed = _trainers(process.pid)
        assert killed
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert process.wait(300) == 0
    assert students(tmp_path) == all_ok()
    interrupted = accuracies(tmp_path)
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "leaderboard/leaderboard.json").unlink()
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    assert accuracies(tmp_path) == interrupted


def faulty_task(where: Path, fault: str) -> str:
    (where / "model.py").write_text(MODEL.format(fault=fault))
    text = (ROOT / "grader/core/tasks/digits.toml").read_text().replace('"digits"', '"faulty"', 1)
    lines = ['model = "model.py:Net"' if line.startswith("model =") else line for line in text.splitlines()]
    (where / "faulty.toml").write_text("\n".join(lines))
    return "faulty.toml"


def test_a_cuda_error_costs_a_process_and_nobody_a_score(tmp_path: Path) -> None:
    """One that stays, as they do: every training in that process fails from then on; a fresh one works."""
    folder = make_class(tmp_path / "class", COUNT)
    once = (
        'broken = Path("broken")\n'
        "        if images.shape[0] == 64 and not broken.exists() and self.training:\n"
        "            broken.write_text(str(os.getpid()))\n"
        "        if broken.exists() and broken.read_text() == str(os.getpid()):\n"
        '            raise RuntimeError("CUDA error: an illegal memory access was encountered")'
    )
    task = faulty_task(tmp_path, once)
    done = run(folder, "--sandbox", "sandlock", "--task", task, where=tmp_path)
    assert (tmp_path / "broken").exists()
    assert done.returncode == 0, done.stdout + done.stderr
    assert students(tmp_path) == all_ok()


def test_a_trainer_that_never_works_is_ours_and_the_next_run_retries(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 2)
    broken = (
        'if Path("broken").exists() and self.training:\n            raise RuntimeError("CUDA error: unknown error")'
    )
    task = faulty_task(tmp_path, broken)
    assert run(folder, "--sandbox", "sandlock", "--task", task, where=tmp_path).returncode == 0
    good = accuracies(tmp_path)
    (tmp_path / "broken").touch()
    (folder / "student01/scheduler.py").write_text(make().files["scheduler.py"].decode().replace("0.99", "0.5"))
    done = run(folder, "--sandbox", "sandlock", "--task", task, where=tmp_path)
    assert done.returncode == 3 or done.returncode == 4
    assert accuracies(tmp_path) == good  # the former score stands
    (tmp_path / "broken").unlink()
    assert run(folder, "--sandbox", "sandlock", "--task", task, where=tmp_path).returncode == 0
    assert rows(tmp_path)["student", "student01"]["number"] == 2


def test_a_recipe_that_needs_too_much_memory_hits_its_author_only(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 3)
    (folder / "student01/config.py").write_text(CONFIG.replace("batch_size = 64", "batch_size = 1000"))
    fault = (
        "if images.shape[0] > 900 and self.training:\n            raise torch.OutOfMemoryError('CUDA out of memory')"
    )
    done = run(folder, "--sandbox", "sandlock", "--task", faulty_task(tmp_path, fault), where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert students(tmp_path) == {**all_ok(3), "student01": "memory"}


# -- files


def test_damaged_results_are_kept_aside_said_and_made_again(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 2)
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    good = accuracies(tmp_path)
    results = tmp_path / "results/digits"
    victims = [next(results.glob("runs/*/*.json")), next(results.glob("compiled/*/*.json"))]
    victims[0].write_bytes(b"\0" * 100)
    victims[1].write_text(victims[1].read_text()[:-20])
    done = run(folder, "--sandbox", "sandlock", where=tmp_path)
    assert done.returncode == 0
    for victim in victims:
        aside = victim.with_name(f"{victim.name}.damaged")
        assert f"{aside.relative_to(tmp_path)} could not be read and was recreated" in done.stdout
        assert aside.exists()
        json.loads(victim.read_text())
    assert accuracies(tmp_path) == good


def test_a_damaged_board_is_rebuilt_from_the_logs(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 3)
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    good = accuracies(tmp_path)
    path = tmp_path / "leaderboard/leaderboard.json"
    path.write_text(path.read_text()[:500])
    shutil.rmtree(folder / "student02")
    done = run(folder, "--sandbox", "sandlock", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rows of the logs" in done.stdout.replace("row(s)", "rows")
    assert accuracies(tmp_path) == good
    (aside,) = path.parent.glob("leaderboard.json.damaged-*")
    assert aside.stat().st_size == 500


def test_a_lock_that_a_dead_process_left_is_none(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 1)
    (tmp_path / "leaderboard").mkdir()
    lock = tmp_path / "leaderboard/.leaderboard.json.lock"
    code = (
        f"import filelock, time; filelock.FileLock({str(lock)!r}).acquire(); print('held', flush=True); time.sleep(99)"
    )
    with started([sys.executable, "-c", code], tmp_path) as holder:
        read_to(holder, "held")
    assert lock.exists()
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    assert students(tmp_path) == all_ok(1)


# -- the user


def test_interrupted_twice_it_stops_at_once_and_loses_nothing(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", COUNT)
    for config in folder.glob("*/config.py"):
        config.write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 400"))
    (folder / "student00/config.py").write_text(CONFIG)
    with started(command(folder, "--sandbox", "sandlock", where=tmp_path), tmp_path) as process:
        read_to(process, "[3/")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        said = read_to(process, "stopping")
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert time.monotonic() - start < 10
        assert process.stdout is not None
        said += process.stdout.read()
    assert "Traceback" not in said
    assert rows(tmp_path)
    known = trainings(tmp_path)
    for config in folder.glob("*/config.py"):
        config.write_text(CONFIG)
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    assert students(tmp_path) == all_ok()
    assert known.items() <= trainings(tmp_path).items()


# -- the engine


class Engine:
    """The Docker engine behind a socket of ours, which can go away and come back as a restarted engine's does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker.sock"
        self._real = "/var/run/docker.sock"
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def start(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Hang up on everybody, and end what containers there are, as an engine that stops does."""
        assert self._listener is not None
        self.path.unlink()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        import docker

        client = docker.from_env()
        there = client.containers.list(filters={"label": LABEL}, ignore_removed=True)
        mine = [c for c in there if self._is_mine(c)]
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for container in mine:
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True)
        client.close()

    owner = 0

    def _is_mine(self, container: object) -> bool:
        return str(container.labels[f"{LABEL}.owner"]).split(":")[1] == str(self.owner)  # type: ignore[attr-defined]

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._real)
            self._open += [client, engine]
            for a, b in ((client, engine), (engine, client)):
                threading.Thread(target=self._pass_on, args=(a, b), daemon=True).start()

    @staticmethod
    def _pass_on(a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(1 << 16):
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_WR)


@pytest.mark.docker
def test_an_engine_that_restarts_in_the_middle_costs_nobody_a_score(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 6)
    engine = Engine(tmp_path)
    engine.start()
    call = command(folder, "--sandbox", "docker", where=tmp_path)
    with started(call, tmp_path, DOCKER_HOST=f"unix://{engine.path}") as process:
        engine.owner = process.pid
        read_to(process, "[2/")
        engine.stop()
        time.sleep(4)
        engine.start()
        assert process.wait(300) == 0
    assert students(tmp_path) == all_ok(6)


@pytest.mark.docker
def test_an_engine_that_stays_away_is_ours_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 10)  # the sandboxes run ahead of the trainings
    engine = Engine(tmp_path)
    engine.start()
    hurry = "from grader.sandbox import docker\ndocker._RESTART_SECONDS = 3"
    call = injected(hurry, folder, "--sandbox", "docker", where=tmp_path)
    with started(call, tmp_path, DOCKER_HOST=f"unix://{engine.path}") as process:
        engine.owner = process.pid
        read_to(process, "[1/")
        engine.stop()
        assert process.wait(300) == 4
        assert process.stdout is not None
        assert "because of an error of the grader" in process.stdout.read()
    verdicts = students(tmp_path)
    assert set(verdicts.values()) <= {"ok", "internal"}
    assert "internal" in verdicts.values()
    assert run(folder, "--sandbox", "docker", where=tmp_path).returncode == 0
    assert students(tmp_path) == all_ok(10)


@pytest.mark.restarts_engine
def test_the_real_engine_restarted_in_the_middle_costs_nobody_a_score(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 6)
    with started(command(folder, "--sandbox", "docker", where=tmp_path), tmp_path) as process:
        read_to(process, "[2/")
        as_root("bash", str(ROOT / ".ci/engine.sh"), "restart")
        assert process.wait(300) == 0
    assert students(tmp_path) == all_ok(6)


@pytest.mark.docker
def test_an_image_that_was_removed_is_found_again(docker_box: DockerSandbox, task: Task, facts: TaskFacts) -> None:
    docker_box._image = "sha256:" + "0" * 64
    assert Compile(docker_box, task, facts)(make()).verdict is Verdict.OK


@pytest.mark.docker
def test_a_broken_image_is_said_before_anybody_is_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import docker

    folder = make_class(tmp_path / "class", 1)
    monkeypatch.setenv("GRADER_BASE_IMAGE", f"broken-{os.getpid()}")
    client = docker.from_env()
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile /\nENTRYPOINT ["/nothing"]\n')
    client.images.build(path=str(context), tag=image_tag())
    try:
        done = run(folder, "--sandbox", "docker", where=tmp_path)
    finally:
        client.images.remove(image_tag(), force=True)
        client.close()
    assert done.returncode == 3
    assert "does not work on this machine" in done.stderr
    assert "docker rmi" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "leaderboard/leaderboard.json").exists()

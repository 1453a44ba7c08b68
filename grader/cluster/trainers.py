"""Trainings as Ray actors: one per CPU or share of a GPU, pinned to its node, sharing that node's copy of the data."""

import queue
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grader.cluster.nodes import Node, alive, census, of_one_kind, pinned
from grader.core.environment import Environment
from grader.core.errors import InternalError, SetupError, TaskError
from grader.core.recipe import Recipe
from grader.core.runs import SeedRun
from grader.core.task import WALL_FACTOR, Task, TaskFacts
from grader.core.task_file import from_json
from grader.sandbox.base import Say
from grader.training.pool import DeviceChoice, late_run, read_facts, run_of
from grader.training.process import OnEpoch

_START_SECONDS = 3600.0  # a first start may download and decode a data set
_GRACE_SECONDS = 30.0
_ALONE_SECONDS = 60.0  # how long to wait for a new node when none is left


class _TrainerActor:
    """Runs in a worker of the cluster."""

    def __init__(self, task_json: str, files: dict[str, bytes], data: list[dict[str, Any]], device: str) -> None:
        from grader.training.worker import TrainingWorker, shared_data

        self._problem: str = next((part["problem"] for part in data if "problem" in part), "")
        if self._problem:
            return
        folder = Path(tempfile.mkdtemp(prefix="grader-task-"))
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self._worker = TrainingWorker(
            from_json(task_json, folder), [shared_data(part) for part in data], device, lambda _: None
        )

    def answer(self, *request: Any) -> tuple[Any, ...]:
        if self._problem:
            return "task", self._problem
        return self._worker.answer(request)


def _load(task_json: str, folder: str) -> list[dict[str, Any]]:
    """Run once on each node: each workload's data set, as arrays that Ray keeps in the node's shared memory."""
    from grader.training.worker import load_shared

    try:
        return [load_shared(part) for part in from_json(task_json, Path(folder)).parts]
    except TaskError as error:
        return [{"problem": str(error)}]


class _Slot:
    """One place to train: an actor on a node, replaced when it breaks."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.actor: Any = None
        self.ready: Any = None  # its answer to "facts", a reference


class RayTrainers:
    """Like `TrainerPool`, over a cluster. Safe to call from several threads."""

    def __init__(
        self, task: Task, nodes: Sequence[Node], device: DeviceChoice, jobs: int, gpus_per_training: float, say: Say
    ) -> None:
        """Places to train on `nodes`. Raises SetupError if none can train.

        `jobs` limits the trainings at a time where it is not 0; `gpus_per_training` is a whole number or a share.
        """
        if not (0 < gpus_per_training <= 1 or gpus_per_training == int(gpus_per_training) > 0):
            raise SetupError(f"--gpus-per-training {gpus_per_training:g}: use a share such as 0.25, or a whole number")
        self._task, self._device, self._share, self._say = task, device, gpus_per_training, say
        self._jobs = jobs
        self._files = files_of(task)
        self._data: dict[str, Any] = {}  # of each node: a reference to what `_load` gave
        self._idle: queue.Queue[_Slot] = queue.Queue()
        self._lock = threading.Lock()
        self._slots: list[_Slot] = []
        self._known: set[str] = set()
        self._facts: tuple[tuple[TaskFacts, ...], Environment] | None = None
        self._closed = False
        nodes = of_one_kind(nodes, device, task.device_kind, say)
        self._kind = nodes[0].kind
        self._add(nodes)
        if not self._slots:
            raise SetupError(f"no node of the cluster has room for a training ({self._share:g} GPU, or a CPU)")

    @property
    def workers(self) -> int:
        """Trainings at a time."""
        return len(self._slots)

    def _add(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._known.add(node.id)
            room = int(node.gpus / self._share + 1e-9) if node.gpus else node.cpus
            for _ in range(room):
                if self._jobs and len(self._slots) >= self._jobs:
                    return
                slot = _Slot(node)
                self._begin(slot)
                self._slots.append(slot)
                self._idle.put(slot)

    def _begin(self, slot: _Slot) -> None:
        """Start the slot's actor; it loads torch in the background."""
        import ray

        place = pinned(slot.node.id)
        if slot.node.id not in self._data:
            load = ray.remote(num_cpus=0, max_retries=0)(_load)
            arguments = self._task.model_dump_json(), str(self._task.folder)
            self._data[slot.node.id] = load.options(scheduling_strategy=place).remote(*arguments)
        needs = {"num_gpus": self._share} if slot.node.gpus else {"num_cpus": 1}
        actor = ray.remote(**needs, max_restarts=0, max_task_retries=0)(_TrainerActor)
        device = "cuda" if slot.node.gpus else "cpu"
        slot.actor = actor.options(scheduling_strategy=place).remote(
            self._task.model_dump_json(), self._files, self._data[slot.node.id], device
        )
        slot.ready = slot.actor.answer.remote("facts")

    def facts(self) -> tuple[tuple[TaskFacts, ...], Environment]:
        """What each workload's data and model are, and what trains. Raises TaskError, SetupError or InternalError."""
        slot = self._take()
        try:
            return self._ready(slot)
        finally:
            self._idle.put(slot)

    def _ready(self, slot: _Slot) -> tuple[tuple[TaskFacts, ...], Environment]:
        """Wait until the slot can train; every slot must have the same data, model, device and software."""
        import ray

        try:
            kind, payload = ray.get(slot.ready, timeout=_START_SECONDS)
        except ray.exceptions.GetTimeoutError:
            raise InternalError(
                f"a trainer on node {slot.node.host} did not start within {_START_SECONDS:g} s"
            ) from None
        if kind == "task":
            raise TaskError(payload)
        if kind != "facts":
            raise InternalError(payload)
        found = read_facts(payload)
        with self._lock:
            if self._facts is None:
                self._facts = found
        known, trainer = self._facts
        if found[0] != known:
            raise SetupError(f"the data or the model on node {slot.node.host} differ from those on the others")
        if found[1].device != trainer.device:
            raise SetupError(f"node {slot.node.host} trains on {found[1].device}, the others on {trainer.device}")
        return found

    def train(
        self,
        recipe: Recipe,
        seed: int,
        budget_s: float,
        on_epoch: OnEpoch,
        workload: int = 0,
        *,
        augmented: bool = False,
    ) -> SeedRun:
        """One training, somewhere, on the workload of that number.

        `on_epoch` is not called: epochs stay on their node, results come back. `augmented` measures
        `SeedRun.augmented` too.

        Raises TaskError, or InternalError (ours; the next try goes to another actor).
        """
        import ray

        slot = self._take()
        started = time.monotonic()
        broken = True
        try:
            self._ready(slot)
            request = slot.actor.answer.remote("train", recipe.model_dump_json(), seed, budget_s, workload, augmented)
            started = time.monotonic()
            kind, payload = ray.get(request, timeout=WALL_FACTOR * budget_s + _GRACE_SECONDS)
            broken = kind == "failed"
        except ray.exceptions.GetTimeoutError:
            return late_run(seed, started, budget_s)
        except ray.exceptions.RayError as error:
            raise InternalError(
                f"a training on node {slot.node.host} was lost ({type(error).__name__}): {str(error)[:500]}"
            ) from None
        finally:
            if broken:
                self._replace(slot)
            else:
                self._idle.put(slot)
        if kind == "failed":
            raise InternalError(payload)
        if kind == "task":
            raise TaskError(payload)
        return run_of(seed, kind, payload)

    def _take(self) -> _Slot:
        """An idle slot. Where no node is left, waits for one to join. Raises InternalError."""
        since: float | None = None
        while True:
            try:
                return self._idle.get(timeout=0.5)
            except queue.Empty:
                pass
            if self._closed:
                raise InternalError("the trainers were stopped")
            with self._lock:
                if self._slots:
                    since = None
                    continue
                since = since or time.monotonic()
                self._recruit()
                if not self._slots and time.monotonic() - since > _ALONE_SECONDS:
                    raise InternalError("no node of the cluster is left to train on")

    def _replace(self, slot: _Slot) -> None:
        """End a broken actor. A fresh one on its node if that is alive, else whatever has joined the cluster since."""
        import ray

        if self._closed:
            return
        ray.kill(slot.actor)
        with self._lock:
            if slot.node.id in alive():
                self._begin(slot)
                self._idle.put(slot)
                return
            self._slots.remove(slot)
            self._say(f"node {slot.node.host} is gone: {len(self._slots)} place(s) to train are left")
            self._recruit()

    def _recruit(self) -> None:
        """Take in nodes of our kind that have joined."""
        joined = [n for n in census(self._say, sorted(self._known)) if n.kind == self._kind]
        if joined:
            self._add(joined)
            self._say(f"{len(joined)} node(s) joined: {len(self._slots)} place(s) to train")

    def close(self) -> None:
        """End all actors."""
        import ray

        self._closed = True
        for slot in self._slots:
            ray.kill(slot.actor)


def files_of(task: Task) -> dict[str, bytes]:
    """The files of models that the task has of its own: they go to the nodes with it. Raises TaskError."""
    found = {}
    for part in task.parts:
        name, _, kind = part.model.partition(":")
        if not kind or Path(name).is_absolute():  # a path that every node has
            continue
        if ".." in Path(name).parts:
            raise TaskError(
                f"task {task.name}: {name} lies outside the task's folder, from which files go to the nodes"
            )
        try:
            found[name] = (task.folder / name).read_bytes()
        except OSError as error:
            raise TaskError(f"task {task.name}: {task.folder / name} cannot be read: {error.strerror}") from None
    return found

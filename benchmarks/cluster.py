"""What does a cluster cost beyond its trainings?   python benchmarks/cluster.py [RECIPES]

On a real Ray cluster on this machine (a head and two nodes with a CPU each, as processes) that many different recipes
are trained: a tiny model on `digits`, one step each. First by the trainers alone: what is left of the time once the
trainings themselves are taken out, and the driver's own CPU time, per recipe. Then as submissions of a class, through
everything that `grader run` does with them once they have left the sandbox: stored, logged, on the board, on the site.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from grader.cluster.nodes import census, connected
from grader.cluster.trainers import RayTrainers
from grader.core import task_file as tasks
from grader.core.kind import Kind
from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.core.verdict import Verdict
from grader.grading.cache import Cache
from grader.grading.config import RunConfig
from grader.grading.events import Event, Remark, SubmissionGraded
from grader.grading.pipeline import GradingRun
from grader.grading.session import Session
from grader.publish.live import LiveSite
from grader.publish.names import Names
from grader.publish.site import Site
from grader.sandbox.compiled import Compiled
from grader.submissions.entry import Entry
from grader.submissions.loader import Submission
from grader.training.pool import DeviceChoice

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
OBJECT_STORE = 100 << 20
TASK = """name = "tiny"
model = "model.py:Tiny"
image = [1, 4, 4]
seeds = [0]
[data]
source = "digits"
[ranking]
contribution = false
"""
MODEL = """import torch


class Tiny(torch.nn.Sequential):
    def __init__(self, channels, height, width, classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(channels * height * width, classes))
"""


def recipe(rate: float) -> Recipe:
    """One step with all images."""
    series = {"values": [rate], "counts": [1]}
    group = {"parameters": ["1.weight", "1.bias"], "lr": series, "others": {}}
    transforms = [{"transform": "torchvision.transforms.ToTensor", "arguments": {}}]
    parts = {"optimizer": "SGD", "groups": [group], "frozen": [], "batch_size": 1438, "epochs": 1}
    return Recipe.model_validate_json(json.dumps({**parts, "transforms": transforms}))


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Progress:
    """A listener, or a counter: says ten times how far things are."""

    def __init__(self, what: str) -> None:
        print(f"\n{what}\n\n| recipes | seconds | driver MB |\n| --- | --- | --- |\n| 0 | 0 | {resident_mb():.0f} |")
        self.start, self.cpu, self.count, self._lock = time.perf_counter(), time.process_time(), 0, threading.Lock()

    def one(self) -> None:
        with self._lock:
            self.count += 1
            if self.count % max(1, COUNT // 10) == 0:
                print(f"| {self.count} | {time.perf_counter() - self.start:.0f} | {resident_mb():.0f} |", flush=True)

    def listen(self, event: Event) -> None:
        match event:
            case SubmissionGraded():
                assert event.row.verdict is Verdict.OK, event.row
                self.one()
            case Remark():
                print(event.text)

    def end(self, trainings: float, workers: int) -> None:
        """`trainings` is how many seconds they took together."""
        wall, cpu = time.perf_counter() - self.start, time.process_time() - self.cpu
        each = 1000 / self.count
        print(f"\n{self.count} recipes, {workers} at a time, in {wall:.1f} s: {wall * each:.2f} ms each")
        print(
            f"a training takes {trainings * each:.2f} ms; beyond it {(wall - trainings / workers) * each:.2f} ms each"
        )
        print(f"CPU time of the driver: {cpu * each:.2f} ms each", flush=True)


def schedule(trainers: RayTrainers) -> None:
    rates: Iterator[float] = iter([0.1 + 1e-6 * n for n in range(COUNT)])
    lock = threading.Lock()
    seconds, beyond = [], []
    progress = Progress("The trainers alone")

    def work(_: int) -> None:
        while True:
            with lock:
                rate = next(rates, None)
            if rate is None:
                return
            mine = recipe(rate)
            start = time.perf_counter()
            run = trainers.train(mine, 0, 300.0, lambda _: None)
            beyond.append(time.perf_counter() - start - run.seconds)
            assert run.verdict.ranked, run
            seconds.append(run.seconds)
            progress.one()

    with ThreadPoolExecutor(trainers.workers) as pool:
        list(pool.map(work, range(trainers.workers)))
    progress.end(sum(seconds), trainers.workers)
    print(f"from asking to the answer, less the training: {1000 * statistics.median(beyond):.2f} ms (median)")


class Elsewhere:
    """In place of a sandbox: every submission is in the cache, compiled."""

    name, version = "none", "benchmark"


def grade(trainers: RayTrainers, task: Task, where: Path) -> None:
    (facts,), environment = trainers.facts()
    cache = Cache(where / "results" / task.name, task, facts, environment)
    entries = []
    for n in range(COUNT):
        files = {"scheduler.py": f"# {n}\n".encode() * 150, "config.py": b"#\n" * 300}
        submission = Submission(id=f"student{n:05}", files=files)
        made = Compiled(verdict=Verdict.OK, recipe=recipe(0.2 + 1e-6 * n), sandbox="none", seconds=0.1)
        cache.keep_compiled(submission, Elsewhere.version, made)
        entries.append(Entry(submission, Kind.STUDENT))
    sandbox: Any = Elsewhere()
    config = RunConfig(task=task, results=where / "results")
    session = Session.of(config, [facts], environment, sandbox, trainers)
    writer = session.writer(where / "board.json")
    progress = Progress("A class, with its site")
    site = LiveSite(Site(where / "site"), Names(), writer, entries)
    updates: list[float] = []
    site._publish = timed(site._publish, updates)  # type: ignore[method-assign]
    with site:

        def listener(event: Event) -> None:
            progress.listen(event)
            if isinstance(event, SubmissionGraded):
                site.graded(event.entry)

        GradingRun(session, writer, listener).grade(entries)
        rows = writer.entries()
        progress.end(sum(seed.seconds for _, entry in rows for seed in entry.row.seeds), trainers.workers)
        start = time.perf_counter()
        site.settle(writer.settle())
        print(f"settled in {time.perf_counter() - start:.1f} s, {len(rows)} rows")
    print(f"most memory at any time, with the whole board in it at the end: {peak_mb():.0f} MB")
    *running, last = updates
    times = f"{statistics.median(running[-10:]):.2f} s (median of the last ten), {max(running):.2f} s (slowest)"
    print(f"{len(running)} updates of the site while trainings had all cores: {times}; the last, whole, {last:.0f} s")
    size = sum(path.stat().st_size for path in (where / "results").rglob("*.json")) / COUNT / 1e3
    board, pages = (where / "board.json").stat().st_size / COUNT / 1e3, where / "site"
    shown = sum(path.stat().st_size for path in pages.rglob("*.*")) / COUNT / 1e3
    print(f"per submission: {size:.1f} kB of results, {board:.1f} kB of the board, {shown:.1f} kB of the site")
    assert site.problem is None
    assert len(rows) == COUNT


def timed(call: Callable[..., None], taken: list[float]) -> Callable[..., None]:
    def measured(**arguments: Any) -> None:
        start = time.perf_counter()
        call(**arguments)
        taken.append(time.perf_counter() - start)

    return measured


def main() -> None:
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        (where / "task.toml").write_text(TASK)
        (where / "model.py").write_text(MODEL)
        task = tasks.load(str(where / "task.toml"))
        head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
        cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE)
        try:
            with connected(cluster.address):
                trainers = RayTrainers(task, census(print), DeviceChoice.CPU, 0, 1.0, print)
                for _ in range(20):
                    trainers.train(recipe(0.01), 0, 300.0, lambda _: None)
                schedule(trainers)
                grade(trainers, task, where)
                trainers.close()
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    main()

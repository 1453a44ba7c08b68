"""How fast a class is trained: the plain loop against the trainer, on the same images, in one run.

    python benchmarks/throughput.py --task cifar10
    python benchmarks/throughput.py --task FILE.toml --device cuda --epochs 5

Twenty recipes like those of a class (benchmarks/sample_class.py), each with several seeds. The plain
loop (benchmarks/plain_loop.py) trains one after the other with torch's defaults and the quicker
number of DataLoader workers; ours is the pool that `grader run` uses. Start-up (imports, data) is
in neither. Then: whether the accuracies agree, the floor that arithmetic and memory set, the share
of it that is reached, and where the trainer's time goes.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import plain_loop
import sample_class
import torch
from torch.utils.flop_counter import FlopCounterMode

from grader.core import task_file as tasks
from grader.core.recipe import Recipe
from grader.core.task import Task
from grader.training import data, loop, models
from grader.training.data import ImageData
from grader.training.pool import DeviceChoice, TrainerPool, choose_device, default_workers, device_kind
from grader.training.splits import Split

Scores = list[list[float]]  # per recipe, per seed


class Plain:
    """The plain loop, with the number of DataLoader workers that is quickest here."""

    def __init__(self, task: Task, images: ImageData, device: torch.device) -> None:
        self.task, self.images, self.device = task, images, device
        few = replace(images, train=Split(images.train.images[:8192], images.train.labels[:8192]))
        trial = sample_class.recipes(models.facts_of(task, few), 1)[3]
        plain_loop.train(trial, task, few, 0, device, 0)  # warm
        tried = sorted({0, 2, min(8, os.cpu_count() or 1)})
        seconds = {n: plain_loop.train(trial, task, few, 0, device, n).seconds for n in tried}
        self.workers = min(seconds, key=lambda n: seconds[n])

    def train(self, recipes: list[Recipe], seed: int) -> list[float]:
        return [plain_loop.train(r, self.task, self.images, seed, self.device, self.workers).accuracy for r in recipes]


class Ours:
    """The pool of `grader run`."""

    def __init__(self, task: Task, device: str, jobs: int) -> None:
        self.pool = TrainerPool(task, device, jobs)
        self.pool.start()
        self.threads = ThreadPoolExecutor(jobs)
        list(self.threads.map(lambda _: self.pool.facts(), range(jobs)))  # every process has its data

    def train(self, recipes: list[Recipe], seed: int) -> list[float]:
        runs = [self.threads.submit(self.pool.train, r, seed, 1e6, lambda _: None) for r in recipes]
        return [run.result().accuracy or 0.0 for run in runs]


def timed(way: Plain | Ours, recipes: list[Recipe], seed: int) -> tuple[list[float], float]:
    started = time.perf_counter()
    scores = way.train(recipes, seed)
    return scores, time.perf_counter() - started


def agreement(theirs: Scores, mine: Scores) -> str:
    def error(line: list[float]) -> float:
        return statistics.stdev(line) / len(line) ** 0.5 if len(line) > 1 else float("nan")

    gaps = [statistics.mean(m) - statistics.mean(t) for t, m in zip(theirs, mine, strict=True)]
    errors = [(error(t) ** 2 + error(m) ** 2) ** 0.5 for t, m in zip(theirs, mine, strict=True)]
    gap, spread = statistics.mean(gaps), sum(e**2 for e in errors) ** 0.5 / len(errors)
    beyond = sum(abs(g) > 2 * e for g, e in zip(gaps, errors, strict=True))
    verdict = "they agree" if abs(gap) <= 2 * spread else "they DIFFER"
    if len(theirs[0]) < 2:
        verdict = "one seed has no standard error: cannot tell whether they agree"
    return (
        f"class mean: plain {100 * statistics.mean(map(statistics.mean, theirs)):.2f} %, "
        f"ours {100 * statistics.mean(map(statistics.mean, mine)):.2f} %; difference {100 * gap:+.2f} +- "
        f"{100 * spread:.2f} points (standard error): {verdict} (within two of them)\n"
        f"single recipes beyond two of their standard errors: {beyond} of {len(gaps)}"
    )


def floor(task: Task, classes: int, device: torch.device, jobs: int) -> tuple[float, str]:
    """Seconds per training image that arithmetic, or memory, needs at least on all of the device."""
    model = models.build(task, classes, 0).to(device)
    batch = torch.randn(64, *task.image, device=device)
    traffic = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal traffic
        if not list(module.children()):
            traffic += 4 * 4 * output.numel()  # written and read, forward and backward, float32

    for module in model.modules():
        module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter:
        model(batch).sum().backward()
    flops, bytes_moved = counter.get_total_flops() / 64, traffic / 64
    cpu = device.type == "cpu"
    torch.set_num_threads(jobs if cpu else 1)
    a, b = (torch.randn(2048 if cpu else 8192, 2048 if cpu else 8192, device=device) for _ in range(2))
    big = torch.empty(1 << 27, device=device)

    def best(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(8):
            started = time.perf_counter()
            work()
            if not cpu:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    speed = 2 * a.shape[0] ** 3 / best(lambda: a @ b)
    bandwidth = 8 * big.numel() / best(lambda: big.add_(1))
    arithmetic, memory = flops / speed, bytes_moved / bandwidth
    text = (
        f"{flops / 1e6:.2f} Mflop and {bytes_moved / 1e3:.0f} kB of layer outputs per image; this device: "
        f"{speed / 1e9:.0f} Gflop/s in a large float32 product, {bandwidth / 1e9:.1f} GB/s\n"
        f"floor: arithmetic {1e6 * arithmetic:.1f} us, memory {1e6 * memory:.1f} us per image"
    )
    return max(arithmetic, memory), text


KINDS = (
    ("convolution", ("convolution", "conv", "Folded", "Split")),
    ("pooling", ("max_pool", "Halving", "maximum", "aten::gt")),
    ("linear layers", ("addmm", "aten::mm")),
    ("optimizer", ("Optimizer", "fused")),
    ("transforms and batches", ("index_select", "flip", "aten::to", "copy_", "div_", "aten::sub", "cat")),
    ("activations and loss", ("relu", "threshold", "clamp", "softmax", "nll", "mul", "add", "sum")),
)


def profile(recipe: Recipe, task: Task, images: ImageData, device: torch.device) -> str:
    """Shares of one training's time by kind of operation, evaluation included."""
    from torch.profiler import ProfilerActivity

    if device.type == "cpu":
        loop.prepare_process(device)
    activity = ProfilerActivity.CPU if device.type == "cpu" else ProfilerActivity.CUDA
    loop.train(recipe, task, images, 0, device, 1e6)
    with torch.profiler.profile(activities=[activity]) as seen:
        loop.train(recipe, task, images, 0, device, 1e6)
    shares: dict[str, float] = {}
    for event in seen.key_averages():
        kind = next((k for k, parts in KINDS if any(p in event.key for p in parts)), "everything else")
        own = event.self_cpu_time_total if device.type == "cpu" else event.self_device_time_total
        shares[kind] = shares.get(kind, 0.0) + own
    total = sum(shares.values())
    return "\n".join(f"  {k:24} {100 * v / total:5.1f} %" for k, v in sorted(shares.items(), key=lambda i: -i[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="cifar10", help="a task of grader's, or a task file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=0)
    chosen = parser.parse_args()
    name = choose_device(DeviceChoice(chosen.device))
    device, seeds, task = torch.device(name), range(chosen.seeds), tasks.load(chosen.task)
    jobs = chosen.jobs or default_workers(name)
    images = data.load(task)
    recipes = sample_class.recipes(models.facts_of(task, images), chosen.epochs)
    passes = len(recipes) * chosen.seeds * chosen.epochs * len(images.train)
    print(
        f"{task.name} on {device_kind()}: {len(recipes)} recipes, {chosen.seeds} seeds, {chosen.epochs} "
        f"epoch(s) of {len(images.train)} images, {len(images.test)} held out",
        flush=True,
    )
    ours, plain = Ours(task, name, jobs), Plain(task, images, device)
    mine: list[list[float]] = []
    theirs: list[list[float]] = []
    quick, slow = 0.0, 0.0
    for seed in seeds:  # in turns, so that a machine that slows down slows both
        for way, scores in ((ours, mine), (plain, theirs)):
            found, seconds = timed(way, recipes, seed)
            scores.append(found)
            quick, slow = (quick + seconds, slow) if way is ours else (quick, slow + seconds)
            print(f"seed {seed}, {type(way).__name__.lower()}: {seconds:.1f} s", flush=True)
    ours.pool.close()
    mine, theirs = ([list(line) for line in zip(*scores, strict=True)] for scores in (mine, theirs))
    print(f"ours:  {quick:7.1f} s, {1e6 * quick / passes:6.1f} us per training image ({jobs} at a time)")
    print(
        f"plain: {slow:7.1f} s, {1e6 * slow / passes:6.1f} us per training image "
        f"(one at a time, {plain.workers} DataLoader workers)"
    )
    print(f"ratio: {slow / quick:.2f}")
    print(agreement(theirs, mine))
    least, text = floor(task, images.classes, device, jobs)
    print(f"{text}\nshare of the floor reached: {100 * least * passes / quick:.0f} %")
    few = replace(images, train=Split(images.train.images[:12800], images.train.labels[:12800]),
                  test=Split(images.test.images[:2560], images.test.labels[:2560]))  # fmt: skip
    print("where the time of one training goes (flips and crops, batch 64, evaluation included):")
    print(profile(sample_class.recipes(models.facts_of(task, few), 1)[6], task, few, device))


if __name__ == "__main__":
    main()

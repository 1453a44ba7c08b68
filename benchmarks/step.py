"""One training step on the CPU, with and without what the trainer does for it.

    python benchmarks/step.py

Prints milliseconds per step of LeNet (forward, backward, SGD) on one thread, per batch size: torch's
defaults, then, each with the ones before it, channels-last memory, glibc told to keep freed memory
and the fused optimizer (`loop.prepare_process`), and the layers of `grader.training.cpu_kernels`.
"""

import subprocess
import sys
import time

import torch

from grader.training import cpu_kernels, loop
from grader.training.models import LeNet

WAYS = ("torch's defaults", "channels last", "memory kept, fused", "quick layers")


def measure(way: int, batch_size: int) -> float:
    torch.set_num_threads(1)
    if way >= 2:
        loop.prepare_process(torch.device("cpu"))
    layout = torch.channels_last if way >= 1 else torch.contiguous_format
    torch.manual_seed(0)
    model = LeNet(3, 32, 32, 10).to(memory_format=layout)
    if way >= 3:
        cpu_kernels.suit_cpu(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=way >= 2)
    images = torch.randn(batch_size, 3, 32, 32).contiguous(memory_format=layout)
    labels = torch.randint(10, (batch_size,))
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(50):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        best = min(best, (time.perf_counter() - started) * 20)
    return best


def main() -> None:
    if len(sys.argv) == 3:
        print(f"{measure(int(sys.argv[1]), int(sys.argv[2])):.2f}")
        return
    for batch_size in (32, 64, 128, 256):
        for number, way in enumerate(WAYS):  # a process each: what malloc has learnt stays
            command = [sys.executable, __file__, str(number), str(batch_size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"batch {batch_size:3}  {way:20} {done.stdout.strip():>6} ms/step")


if __name__ == "__main__":
    main()

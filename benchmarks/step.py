"""One training step on the CPU, with and without what `grader.training.loop` does for it.

    python benchmarks/step.py

Prints milliseconds per step of LeNet (forward, backward, SGD) on one thread, per batch size: the
plain defaults, channels-last memory, and with glibc told to keep freed memory.
"""

import subprocess
import sys
import time

import torch

from grader.training import loop
from grader.training.models import LeNet

WAYS = ("plain", "channels last", "channels last, memory kept")


def measure(way: str, batch_size: int) -> float:
    torch.set_num_threads(1)
    if "kept" in way:
        loop.prepare_process(torch.device("cpu"))
    layout = torch.channels_last if "channels" in way else torch.contiguous_format
    torch.manual_seed(0)
    model = LeNet(3, 32, 32, 10).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images = torch.randn(batch_size, 3, 32, 32).contiguous(memory_format=layout)
    labels = torch.randint(10, (batch_size,))
    for step in range(110):
        if step == 10:
            started = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - started) * 10


def main() -> None:
    if len(sys.argv) == 3:
        print(f"{measure(sys.argv[1], int(sys.argv[2])):.2f}")
        return
    for batch_size in (32, 64, 128):
        for way in WAYS:  # a process each: what malloc has learnt stays
            command = [sys.executable, __file__, way, str(batch_size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"batch {batch_size:3}  {way:27} {done.stdout.strip():>6} ms/step")


if __name__ == "__main__":
    main()

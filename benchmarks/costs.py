"""What do 100, 10,000 and 1,000,000 submissions cost?   python benchmarks/costs.py

The table of docs/cluster.md, from what one unit was measured to cost; the command that measures it stands
beside each. For a task with three seeds, each configuration also trained at its constant rate: six trainings.
"""

CLASSES = (100, 10_000, 1_000_000)
TRAININGS = 6
SANDLOCK_S = 0.19  # python benchmarks/probe.py sandlock
DOCKER_S = 2.6  # python benchmarks/probe.py docker
CPU_S = 50_000 * 10 * 78e-6  # python benchmarks/throughput.py: 39 µs per training image on two cores
LIMIT_S = 300.0  # a task's time_limit_s
SCHEDULING_S = 0.64e-3  # CPU time of the driver per training: python benchmarks/cluster.py
KEEPING_S = 3.9e-3  # and per submission, for store, log, board and site: the same
RECIPE_B = 175e3  # 7,820 different rates; it is stored once, and once more in the log
RESULT_B = 3e3  # the other files of a submission: python benchmarks/cluster.py
BOARD_B = 1.8e3  # python benchmarks/board.py
SITE_B = 18e3  # python benchmarks/cluster.py
FILES = 3 + TRAININGS + 1  # compiled, two logs, a page; a file per training


def time(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.2g} s"


def hours(seconds: float) -> str:
    value = seconds / 3600
    return f"{value:.2g}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"


def space(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{float(f'{size / scale:.2g}'):g} {unit}"
    return f"{float(f'{size / 1e3:.2g}'):g} kB"


ROWS = (
    ("core time of the sandboxes, `sandlock`", lambda n: time(n * SANDLOCK_S)),
    ("the same, `docker`", lambda n: time(n * DOCKER_S)),
    ("core hours of training on CPUs: small CNN, CIFAR-10, 10 epochs", lambda n: hours(n * TRAININGS * CPU_S)),
    ("GPU hours for each second that a training takes", lambda n: hours(n * TRAININGS)),
    (f"GPU hours at most, every training at the limit of {LIMIT_S:.0f} s", lambda n: hours(n * TRAININGS * LIMIT_S)),
    ("CPU time of the driver", lambda n: time(n * (TRAININGS * SCHEDULING_S + KEEPING_S))),
    ("results on disk, schedules of 7,820 different rates", lambda n: space(n * (2 * RECIPE_B + RESULT_B))),
    ("files", lambda n: f"{n * FILES:,}"),
    ("leaderboard", lambda n: space(n * BOARD_B)),
    ("site", lambda n: space(n * SITE_B)),
)


def table() -> str:
    head = ["submissions", *(f"{n:,}" for n in CLASSES)]
    lines = [head, ["---"] * len(head), *([what, *map(cost, CLASSES)] for what, cost in ROWS)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    print(table())

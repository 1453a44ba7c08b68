"""Do the intervals, ranges of ranks and adaptive seeds keep their word?   python benchmarks/significance.py [BOARDS]

Simulated boards with known true means and noise. Prints how often 95 % intervals cover (with their Monte Carlo error),
how often equal rows are told apart, with seeds alone and with images, and how many trainings adaptive and fixed seeds
need to put rows that differ in the right order; draws the last into docs/images/adaptive.svg.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grader.core.kind import Kind
from grader.experiments.plots import canvas
from grader.leaderboard.significance import settled
from support.simulation import (
    adaptive_trainings,
    agreement,
    board_of,
    board_of_images,
    simulated,
    simulated_images,
)

BOARDS = int(sys.argv[1]) if len(sys.argv) > 1 else 400
EQUAL, NOISE = 0.9, 0.006


def honesty() -> None:
    for rows, seeds in ((12, 3), (30, 3), (300, 3), (12, 5), (30, 5)):
        for factor in (1, 3):
            for images in (0, 1000):
                _honesty(rows, seeds, factor, images, BOARDS if rows < 100 else max(20, BOARDS // 10))


def _honesty(rows: int, seeds: int, factor: int, images: int, boards: int) -> None:
    """Boards of equal rows, whose noise differs by up to `factor`."""
    rng = np.random.default_rng(0)
    covered, apart = [], 0
    for _ in range(boards):
        noise = np.ones(rows) if factor == 1 else rng.uniform(0.5, 0.5 * factor, rows)
        if images:
            board = board_of_images(simulated_images(rows, seeds, images, noise, rng))
        else:
            board = board_of(simulated([EQUAL] * rows, seeds, NOISE * noise, rng))
        students = [r for r in settled(board.rows, board.task, board.policy) if r.kind is Kind.STUDENT]
        gaps = [r.to_default for r in students if r.to_default is not None]
        covered.append(np.mean([d.low <= 0 <= d.high for d in gaps if d.low is not None and d.high is not None]))
        apart += any(r.rank_interval != (1, len(students)) for r in students if r.rank_interval)
    error = np.std(covered) / boards**0.5
    print(
        f"{rows} equal rows, {seeds} seeds, {'seeds and images' if images else 'seeds alone'}, noise "
        f"{'alike' if factor == 1 else f'differing by a factor of {factor}'}: intervals cover {np.mean(covered):.1%} "
        f"(± {error:.1%}), equals are told apart on {apart / boards:.1%} of {boards} boards",
        flush=True,
    )


def economy() -> None:
    means = [0.90, 0.89, 0.885, 0.87, 0.86, 0.84, 0.80, 0.76, 0.72, 0.65, 0.6, 0.5]
    boards = max(10, BOARDS // 8)
    fixed = []
    for seeds in range(3, 11):
        rng = np.random.default_rng(1)
        right = float(
            np.mean([agreement(means, simulated(means, seeds, np.full(12, NOISE), rng)) for _ in range(boards)])
        )
        fixed.append((seeds * len(means), right))
        print(f"fixed, {seeds} seeds: {seeds * len(means)} trainings, {right:.1%} of neighbours in the right order")
    rng = np.random.default_rng(1)
    found = [adaptive_trainings(means, np.full(12, NOISE), rng) for _ in range(boards)]
    trainings, right = (float(np.mean(values)) for values in zip(*found, strict=True))
    print(f"adaptive, 3 to 10 seeds: {trainings:.0f} trainings, {right:.1%} of neighbours in the right order")
    figure, (axis,) = canvas(6, 3.6)
    axis.plot(
        *zip(*[(n, 100 * r) for n, r in fixed], strict=True), "o-", color="#57606a", label="fixed, 3 to 10 seeds each"
    )
    axis.plot([trainings], [100 * right], "D", color="#0969da", label="adaptive, 3 to 10 seeds")
    axis.set(xlabel="trainings for a board of 12", ylabel="neighbours in the right order (%)")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(Path(__file__).parents[1] / "docs" / "images" / "adaptive.svg", metadata={"Date": None})


if __name__ == "__main__":
    honesty()
    economy()

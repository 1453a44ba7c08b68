"""Do the intervals, ties and adaptive seeds keep their word?   python benchmarks/significance.py [BOARDS]

Simulated boards with known true means and noise. Prints how often 95 % intervals cover, how often equal rows are
split, and how many trainings adaptive and fixed seeds need to put rows that differ in the right order; draws the
last into leaderboard/adaptive.svg.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grader.core.kind import Kind
from grader.experiments.plots import canvas
from grader.leaderboard.significance import settled
from support.simulation import adaptive_trainings, agreement, board_of, simulated  # type: ignore[import-not-found]

BOARDS = int(sys.argv[1]) if len(sys.argv) > 1 else 400
EQUAL, NOISE = 0.9, 0.006


def honesty() -> None:
    rng = np.random.default_rng(0)
    for rows, seeds, spread in ((12, 3, 1), (30, 3, 1), (12, 5, 1), (20, 3, 3.3)):
        covered = total = split = 0
        for _ in range(BOARDS):
            noise = NOISE * (np.ones(rows) if spread == 1 else rng.uniform(0.5, 0.5 * spread, rows))
            board = board_of(simulated([EQUAL] * rows, seeds, noise, rng))
            students = [r for r in settled(board.rows, board.task) if r.kind is Kind.STUDENT]
            gaps = [r.to_default for r in students if r.to_default is not None]
            covered += sum(d.low <= 0 <= d.high for d in gaps if d.low is not None and d.high is not None)
            total += len(gaps)
            split += len({r.tie for r in students}) > 1
        what = "equal noise" if spread == 1 else f"noise differing by a factor of {spread}"
        found = f"intervals cover {covered / total:.1%}, split {split / BOARDS:.1%}"
        print(f"{rows} equal rows, {seeds} seeds, {what}: {found}")


def economy() -> None:
    means = [0.90, 0.89, 0.885, 0.87, 0.86, 0.84, 0.80, 0.76, 0.72, 0.65, 0.6, 0.5]
    boards = max(10, BOARDS // 8)
    fixed = []
    for seeds in range(3, 11):
        rng = np.random.default_rng(1)
        right = np.mean([agreement(means, simulated(means, seeds, np.full(12, NOISE), rng)) for _ in range(boards)])
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
    figure.savefig(Path(__file__).parents[1] / "leaderboard" / "adaptive.svg", metadata={"Date": None})


if __name__ == "__main__":
    honesty()
    economy()

"""How narrow are the intervals of the sample class?   python benchmarks/precision.py

Grades the samples and references on the embedded task, and on what it was before (LeNet, clean labels, images as they
are). Prints, for the differences to the default scheduler, the median half of their 95 % intervals: by the seeds alone,
and by seeds and images; the noise of one training; and the seconds that a training took. With n seeds intervals are
narrower by the square root of n, so halves are also given for the training time of the former task.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from grader.leaderboard.models import GradedRow, Leaderboard, RankedRow, SeedScore
from grader.leaderboard.ranking import settled
from grader.leaderboard.significance import Comparison

ROOT = Path(__file__).parents[1]
TASKS = {"LeNet, clean labels": str(ROOT / "tests/fixtures/tasks/lenet.toml"), "digits": "digits"}


def graded(task: str, folder: Path) -> Leaderboard:
    """The samples' board."""
    call = [sys.executable, "-m", "grader", "run", str(ROOT / "submissions"), "--task", task, "--sandbox", "sandlock"]
    call += ["--results", str(folder / "results"), "--leaderboard", str(folder / "board.json"), "--device", "cpu"]
    subprocess.run(call, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return Leaderboard.model_validate(json.loads((folder / "board.json").read_text()), strict=False)


def without_images(board: Leaderboard) -> Leaderboard:
    """The board as it would be if only the seeds' accuracies were known."""

    def blind(row: RankedRow) -> RankedRow:
        seeds = tuple(
            SeedScore(seed=s.seed, verdict=s.verdict, accuracy=s.accuracy, seconds=s.seconds, baseline=s.baseline)
            for s in row.seeds
        )
        return RankedRow.model_construct(**{**dict(row), "seeds": seeds})

    return settled(board.with_rows(map(blind, board.rows)))


def half(board: Leaderboard) -> float:
    """The median half of the intervals, in points."""
    gaps = [row.to_default for row in board.rows if row.to_default is not None]
    return 50 * statistics.median(d.high - d.low for d in gaps if d.high is not None and d.low is not None)


def main() -> None:
    former: float | None = None
    for name, task in TASKS.items():
        with tempfile.TemporaryDirectory() as folder:
            board = graded(task, Path(folder))
        scored: list[GradedRow] = [row for row in board.rows if row.scored]
        cost = statistics.fmean(seed.seconds for row in scored for seed in row.seeds)
        former = former or cost
        noise = 100 * Comparison(scored, board.task).typical_noise
        both, alone = half(board), half(without_images(board))
        print(
            f"{name}: ± {alone:.2f} points by the seeds, ± {both:.2f} by seeds and images; noise of one training "
            f"{noise:.2f} points; {cost:.2f} s each; for {former:.2f} s each: ± {both * math.sqrt(cost / former):.2f}"
        )


if __name__ == "__main__":
    main()

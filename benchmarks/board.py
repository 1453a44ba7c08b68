"""What does one more grading cost on a large board?   python benchmarks/board.py [ROWS]

Seconds to open the board, to add a grading while a run is going on (mean over a minute, the writing of the file
included), and to settle it at the end.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grader.core import task_file as tasks
from grader.core.task import TaskFacts
from grader.leaderboard.storage import BoardWriter, board_at
from support.boards import large_board, scored

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000


def main() -> None:
    facts = TaskFacts(
        n_train=1438, n_test=359, classes=10, image=(3, 32, 32), parameters=(), data_hash="", model_hash=""
    )
    board = large_board(ROWS, tasks.load("digits"), facts)
    empty = board.with_rows(())

    def timed(what: str, action: object) -> object:
        start = time.perf_counter()
        result = action()  # type: ignore[operator]
        print(f"{what}: {time.perf_counter() - start:.3f} s")
        return result

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "board.json"
        first = BoardWriter(path, empty)
        for row in board.rows:
            first.add(row.unranked)
        first.settle()
        print(f"{ROWS} rows, {path.stat().st_size / 1e6:.1f} MB")
        writer = timed("open the board", lambda: BoardWriter(path, empty))
        assert isinstance(writer, BoardWriter)
        taken = []
        end = time.monotonic() + 60
        n = 0
        while time.monotonic() < end:
            start = time.perf_counter()
            writer.add(scored(f"new{n % 1000:05}", 0.5 + n % 400 / 1000, n))
            taken.append(time.perf_counter() - start)
            n += 1
            time.sleep(0.02)
        slowest = (
            f"{statistics.mean(taken) * 1000:.1f} ms (mean), {statistics.median(taken) * 1000:.1f} ms (median), "
            f"{max(taken):.3f} s (slowest)"
        )
        print(f"add a grading, {n} in a minute: {slowest}")
        timed("settle it", writer.settle)
        timed("read and settle for showing", lambda: board_at(path))


if __name__ == "__main__":
    main()

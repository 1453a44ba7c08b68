"""What does one more grading cost on a large board?   python benchmarks/ledger.py [ROWS]

Seconds to open the board, to add a grading (flushed to the disk) while a run is going on, and to settle it at the end.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grader.core import task as tasks
from grader.core.task import TaskFacts
from grader.leaderboard.storage import Ledger, board_at
from support.boards import large_board, scored  # type: ignore[import-not-found]

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000


def main() -> None:
    facts = TaskFacts(
        n_train=1438, n_test=359, classes=10, image=(3, 32, 32), parameters=(), data_hash="", model_hash=""
    )
    board = large_board(ROWS, tasks.load("digits"), facts)
    empty = board.model_copy(update={"rows": ()})

    def timed(what: str, action: object) -> object:
        start = time.perf_counter()
        result = action()  # type: ignore[operator]
        print(f"{what}: {time.perf_counter() - start:.3f} s")
        return result

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "board.json"
        first = Ledger(path, empty)
        for row in board.rows:
            first.add(row)
        first.settle()
        print(f"{ROWS} rows, {path.stat().st_size / 1e6:.1f} MB")
        ledger = timed("open the board", lambda: Ledger(path, empty))
        assert isinstance(ledger, Ledger)
        taken = []
        end = time.monotonic() + 60
        n = 0
        while time.monotonic() < end:
            start = time.perf_counter()
            ledger.add(scored(f"new{n % 1000:05}", 0.5 + n % 400 / 1000, n))
            taken.append(time.perf_counter() - start)
            n += 1
            time.sleep(0.02)
        slowest = f"{statistics.median(taken) * 1000:.1f} ms (median), {max(taken):.3f} s (slowest)"
        print(f"add a grading, {n} in a minute: {slowest}")
        timed("settle it", ledger.settle)
        timed("read and settle for showing", lambda: board_at(path))


if __name__ == "__main__":
    main()

"""How heavy and how quick is the page of a large class?   python benchmarks/site.py [ROWS]

Writes the site of a made-up class and opens its board in Chromium: bytes, seconds until the page is
ready (rows shown, script run) from an empty cache, milliseconds to sort it, and seconds to write it. Then what it costs
to show one more grading while a run is going on.
"""

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grader.core import task_file as tasks
from grader.core.task import TaskFacts
from grader.leaderboard.storage import BoardWriter
from grader.publish.live import LiveSite
from grader.publish.names import Names
from grader.publish.public import public
from grader.publish.site import Site
from support.boards import large_board, scored

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
READY = "() => { const n = performance.getEntriesByType('navigation')[0]; return n.loadEventEnd - n.startTime; }"
SORT = """() => { const start = performance.now(); document.querySelectorAll('#board thead button')[3].click();
document.body.getBoundingClientRect(); return performance.now() - start; }"""


def main() -> None:
    facts = TaskFacts(
        n_train=1438, n_test=359, classes=10, image=(3, 32, 32), parameters=(), data_hash="", model_hash=""
    )
    board = large_board(ROWS, tasks.load("digits"), facts)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        start = time.perf_counter()
        site = Site(Path(folder))
        path = site.write(public(board, Names()))
        written = time.perf_counter() - start
        start = time.perf_counter()
        site.write(public(board, Names()))
        again = time.perf_counter() - start
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        loads, sorts = [], []
        for _ in range(5):
            page = chromium.new_page()
            page.goto(path.as_uri())
            page.wait_for_function("() => performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
            loads.append(page.evaluate(READY))
            sorts.append(page.evaluate(SORT))
            page.close()
        chromium.close()
        print(f"{ROWS} rows: {path.stat().st_size / 1e6:.2f} MB")
        print(f"loaded in {statistics.median(loads):.0f} ms (slowest of {len(loads)}: {max(loads):.0f} ms)")
        print(f"sorted in {statistics.median(sorts):.0f} ms")
        print(f"written in {written:.2f} s, with a page per row; again, nothing new: {again:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        writer = BoardWriter(Path(folder) / "board.json", board.with_rows(()))
        for row in board.rows:
            writer.add(row.unranked)
        live = LiveSite(Site(Path(folder) / "site"), Names(), writer, [])
        live._publish(running=True)
        taken = []
        for n in range(20):
            writer.add(scored(f"new{n}", 0.6 + n / 60, n))
            start = time.perf_counter()
            live._publish(running=True)
            taken.append(time.perf_counter() - start)
            assert live.problem is None
        print(f"one more grading shown in {statistics.median(taken):.2f} s (slowest of 20: {max(taken):.2f} s)")


if __name__ == "__main__":
    main()

"""How often the advice of `grader check` is right: precision and recall on labelled schedules.

    python benchmarks/advice.py [--held-out]

The schedules and the advice that an expert would give: `tests/support/advice_corpus.py`, to which the rules are
adjusted, and `tests/support/advice_held_out.py`, to which they are not.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from grader.sandbox.sandlock import SandlockSandbox
from support.advice import rates_of_advice
from support.advice_corpus import CORPUS
from support.advice_held_out import HELD_OUT


def main() -> None:
    """Print a line per advice, then the total."""
    schedules = HELD_OUT if sys.argv[1:] == ["--held-out"] else CORPUS
    sandbox = SandlockSandbox()
    sandbox.open(print)
    try:
        with tempfile.TemporaryDirectory() as folder:
            rates = rates_of_advice(schedules, Path(folder), sandbox)
    finally:
        sandbox.close()
    print(f"{len(schedules)} schedules")
    print(f"{'advice':28}{'expected':>9}{'precision':>11}{'recall':>8}")
    for code, one in sorted(rates.items()):
        print(f"{code:28}{one.expected:9}{one.precision:11.2f}{one.recall:8.2f}  {', '.join(one.wrong + one.missed)}")
    right, wrong, missed = (sum(len(getattr(r, name)) for r in rates.values()) for name in ("right", "wrong", "missed"))
    print(f"{'all':28}{right + missed:9}{right / (right + wrong):11.2f}{right / (right + missed):8.2f}")


if __name__ == "__main__":
    main()

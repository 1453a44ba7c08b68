"""How often the pairs of `grader similarity` are copies: precision and recall on simulated classes of 80.

    python benchmarks/similarity.py [CLASSES]

The classes and the truth about them: `tests/support/similar_class.py`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from grader.sandbox.sandlock import SandlockSandbox
from support.similarity import Rates, rates_of_similarity

CLASSES = int(sys.argv[1]) if len(sys.argv) > 1 else 10


def main() -> None:
    """Print a line per class, then the rates over all of them."""
    sandbox = SandlockSandbox()
    sandbox.open(print)
    found: list[Rates] = []
    try:
        for seed in range(CLASSES):
            one = rates_of_similarity(seed, sandbox)
            found.append(one)
            missed = f" ({', '.join(one.missed_kinds)})" if one.missed else ""
            print(f"class {seed}: {one.right} right, {one.wrong} wrong, {one.missed} missed{missed}; "
                  f"{one.explained} explained by a shared source")  # fmt: skip
    finally:
        sandbox.close()
    right, wrong, missed = (sum(getattr(one, name) for one in found) for name in ("right", "wrong", "missed"))
    honest = sum(one.honest for one in found)
    print(f"precision {right / (right + wrong):.2f}, recall {right / (right + missed):.2f}, "
          f"{wrong} of {honest} honest pairs reported")  # fmt: skip


if __name__ == "__main__":
    main()

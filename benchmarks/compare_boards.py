"""Whether two leaderboards say the same: verdicts, recipes, and accuracies of every seed.

    python benchmarks/compare_boards.py BEFORE.json AFTER.json

Ends with exit code 1 where they differ. For changes that must not change a result: grade with the version before
and the version after, on the same machine, and compare.
"""

import json
import sys
from pathlib import Path
from typing import Any


def rows_of(path: str) -> dict[str, dict[str, Any]]:
    """The rows of a board by kind and id."""
    return {f"{row['kind']} {row['id']}": row for row in json.loads(Path(path).read_text())["rows"]}


def essence(row: dict[str, Any]) -> dict[str, Any]:
    """What must not change of a row."""
    return {
        "verdict": row["verdict"],
        "recipe": row["recipe"],
        "accuracies": {seed["seed"]: seed["accuracy"] for seed in row["seeds"]},
        "violations": [f"{v['rule']} at {v['file']}:{v['line']}" for v in row["violations"]],
    }


def main() -> None:
    """Print what differs, and how much is the same."""
    before, after = rows_of(sys.argv[1]), rows_of(sys.argv[2])
    differing = 0
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            print(f"{name}: only on {'the second' if name in after else 'the first'} board")
            differing += 1
            continue
        ours, theirs = essence(before[name]), essence(after[name])
        for what in ours:
            if ours[what] != theirs[what]:
                print(f"{name}: {what}: {ours[what]} -> {theirs[what]}")
        differing += ours != theirs
    trained = sum(len(row["seeds"]) for row in after.values())
    print(f"{len(before.keys() | after.keys())} rows, {trained} trainings compared: {differing} rows differ")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()

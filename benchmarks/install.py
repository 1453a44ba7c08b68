"""How large is an installation, by extra, besides torch and what only torch needs?

    python benchmarks/install.py

Adds up the files of the distributions that pip would install, as they are in this environment (the extra `test`).
"""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.strangers import needed

GRADER = "lr-scheduler-grader"


def size(name: str) -> int:
    """Bytes of a distribution's files; 0 where it is not installed here."""
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return 0
    places = [Path(str(file.locate())) for file in files]
    return sum(place.stat().st_size for place in places if place.is_file())


def main() -> None:
    torch = needed("torch") | needed("torchvision")
    print(f"torch and torchvision with all they need: {sum(map(size, torch)) / 1e6:.0f} MB")
    before: set[str] = set()
    for extra in ("", "train", "course", "ray"):
        names = needed(GRADER, extra) - torch - {GRADER}
        new = ", ".join(sorted(name for name in names - before if size(name) > 1e6))
        print(f"[{extra}] {sum(map(size, names)) / 1e6:.0f} MB; the larger ones that it adds: {new}")
        before |= names


if __name__ == "__main__":
    main()

"""Code that everybody may have from the same place: it is no evidence of copying.

`given/` holds PyTorch's lr_scheduler.py of three versions, under PyTorch's licence, which lies beside them; the
installed version comes with torch itself. Versions between these differ by a few lines.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.files import read_ordinary

_SHIPPED = Path(__file__).parent / "given"
_MAX_BYTES = 1 << 20


def of_torch() -> Iterator[str]:
    """The source of PyTorch's schedulers, in the versions that are known here."""
    for path in sorted(_SHIPPED.glob("lr_scheduler-*.txt")):
        yield path.read_text(encoding="utf-8")
    spec = importlib.util.find_spec("torch")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        installed = Path(folder) / "optim" / "lr_scheduler.py"
        if installed.is_file():
            yield installed.read_text(encoding="utf-8")


def in_folder(folder: Path) -> Iterator[str]:
    """The Python files below `folder`. Raises UsageError if there is none, or if one cannot be read."""
    paths = sorted(path for path in folder.rglob("*.py") if path.is_file())
    if not paths:
        raise UsageError(f"--given {folder}: there is no Python file in it: name the folder of your course's kit")
    for path in paths:
        try:
            data = read_ordinary(path)
        except OSError as error:
            raise UsageError(f"--given {path}: cannot be read ({error.strerror})") from None
        if len(data) > _MAX_BYTES:
            raise UsageError(f"--given {path}: is larger than {_MAX_BYTES >> 20} MiB: leave it out")
        yield data.decode("utf-8", "replace")

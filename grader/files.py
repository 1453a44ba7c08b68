"""Files that are whole or absent: written aside, flushed to the disk, then put in place."""

import contextlib
import os
import secrets
from pathlib import Path

from grader.errors import SetupError


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`; a crash at any moment leaves the old content or the new. Raises SetupError."""
    try:
        _write(path, text)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

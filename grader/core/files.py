"""Atomic writes (a temporary file, flushed to the disk, then renamed), reads of ordinary files, TOML files."""

import contextlib
import errno
import os
import secrets
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from grader.core.errors import GraderError, SetupError


def write_atomically(path: Path, text: str | bytes, *, durable: bool = True) -> None:
    """Replace `path` by `text`; after a crash the file holds the old content or the new one. Raises SetupError.

    Without `durable` that holds for a crash of the process, not of the machine, and is much quicker.
    """
    try:
        _write(path, text, durable)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error


def check_writable(folder: Path) -> None:
    """Make `folder` and a file in it, so that a full or read-only disk shows early. Raises SetupError."""
    probe = folder / ".probe"
    write_atomically(probe, "")
    probe.unlink(missing_ok=True)


def _write(path: Path, text: str | bytes, durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "wb") as stream:
            stream.write(text if isinstance(text, bytes) else text.encode())
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    if durable and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class NotOrdinaryError(OSError):
    """A pipe, socket, device or folder where a file was expected."""


def open_ordinary(path: Path, *, follow: bool = True) -> BinaryIO:
    """An ordinary file for reading; never waits for a pipe or device; without `follow`, links are not followed.

    Raises OSError; NotOrdinaryError for a pipe, socket, device or folder.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotOrdinaryError(errno.EINVAL, "is not an ordinary file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_ordinary(path: Path) -> bytes:
    """The content of an ordinary file. Raises OSError; NotOrdinaryError for a pipe, socket, device or folder."""
    with open_ordinary(path) as stream:
        return stream.read()


def read_toml(path: Path, wrong: type[GraderError]) -> dict[str, Any]:
    """A TOML file's content. Raises `wrong` with what is the matter."""
    try:
        return tomllib.loads(read_ordinary(path).decode("utf-8"))
    except OSError as error:
        raise wrong(f"{path}: cannot be read ({error.strerror}): check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise wrong(f"{path}: not valid TOML: {error}") from None

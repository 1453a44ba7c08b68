"""Submissions as they lie on disk: folders and archives, read without trusting a name or a byte.

Only the four files of the assignment are ever read, straight into memory. Nothing is extracted, so
no path, link or device in an archive can reach anything.
"""

import gzip
import hashlib
import io
import os
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from grader.core.errors import UsageError
from grader.core.files import NotOrdinaryError, open_ordinary
from grader.core.verdict import Rule, Violation
from grader.core.text import clean

CODE = ("scheduler.py", "config.py")
FILES = (*CODE, "submission.json", "ATTRIBUTION.md")
MAX_CODE = 32 << 10  # bytes of scheduler.py and of config.py: a schedule takes a few KiB
MAX_TEXT = 64 << 10  # bytes of the other two files
MAX_ARCHIVE = 64 << 20  # bytes on disk, and bytes unpacked
MAX_MEMBERS = 2000
MAX_DIRECTORY = 1 << 20  # bytes of a zip's list of its files
_MAX_HEADERS = 2 << 20  # bytes of a tar's further headers, which hold long names and times: a KiB per file
_MAX_RECORDS = 20 * MAX_MEMBERS  # lines in them
_ARCHIVES = (".zip", ".tar.gz", ".tgz")
#: Headers before a file's own: records, and long names.
_FURTHER = (
    tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_LENGTH = re.compile(rb"([0-9]{1,7}) ")


@dataclass(frozen=True)
class Submission:
    """One submission: its files as bytes, and what is wrong with them as files."""

    id: str
    files: dict[str, bytes]
    problems: tuple[Violation, ...] = ()

    @property
    def content_key(self) -> str:
        """SHA-256 over the files that were read."""
        digest = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Skipped:
    """Something in the folder that is no submission, and why."""

    name: str
    reason: str


def discover(root: Path) -> tuple[list[Submission], list[Skipped]]:
    """Every submission in the folder `root` (or `root` itself, where it is one), ordered by id.

    Raises UsageError where `root` is no folder.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder: give the folder that holds the submissions")
    if all((root / name).is_file() for name in CODE):
        return [_from_folder(root, clean(root.resolve().name))], []
    found: dict[str, Submission] = {}
    skipped: list[Skipped] = []
    try:
        entries = sorted(root.iterdir(), key=lambda p: (not os.path.isdir(p), p.name))
    except OSError as error:
        raise UsageError(f"{root} cannot be read: {error.strerror}") from None
    for entry in entries:
        name = clean(entry.name)
        if entry.name.startswith("."):
            continue
        suffix = next((s for s in _ARCHIVES if entry.name.lower().endswith(s)), "")
        identity = unicodedata.normalize("NFC", entry.name[: len(entry.name) - len(suffix)])
        if entry.is_symlink():
            skipped.append(Skipped(name, "a symbolic link"))
            continue
        home = _home_of(entry) if entry.is_dir() else entry
        if home is None:
            skipped.append(Skipped(name, f"holds none of {', '.join(FILES[:3])}, nor does a single folder in it"))
        elif not entry.is_dir() and not suffix:
            skipped.append(Skipped(name, "neither a folder nor a .zip or .tar.gz archive"))
        elif not entry.is_dir() and not entry.is_file():
            skipped.append(Skipped(name, "a pipe, a socket or a device, not a file"))
        elif identity != clean(identity) or not 0 < len(identity.encode()) <= 200:
            skipped.append(Skipped(name, "its name has unprintable characters or is longer than 200 bytes: rename it"))
        elif identity in found:
            skipped.append(Skipped(name, f"there is another submission called {identity}: keep one of the two"))
        else:
            found[identity] = _from_folder(home, identity) if entry.is_dir() else _from_archive(entry, identity)
    return sorted(found.values(), key=lambda s: s.id), skipped


def only(folder: Path) -> Submission:
    """The one submission in `folder`. Raises UsageError where there is none or more."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder: give the folder with scheduler.py and config.py, or none inside it"
        )
    if any(os.path.lexists(folder / name) for name in CODE):
        return _from_folder(folder, clean(folder.resolve().name))
    found, _ = discover(folder)
    if len(found) != 1:
        raise UsageError(f"{folder} is not the folder of one submission: it should hold scheduler.py and config.py")
    return found[0]


def handed_in(folder: Path, identity: str) -> Submission:
    """Whatever a student handed in as `folder`, however little: what is missing is a violation. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give the folder that the student handed in")
    return _from_folder(_home_of(folder) or folder, identity)


def _home_of(folder: Path) -> Path | None:
    """The folder that holds the submission: `folder`, or the only folder in it, as archives have it."""
    try:
        if any((folder / file).exists() for file in FILES[:3]):
            return folder
        inner = [
            p for p in folder.iterdir() if p.is_dir() and not p.is_symlink() and not p.name.startswith((".", "__"))
        ]
        return inner[0] if len(inner) == 1 and any((inner[0] / file).exists() for file in FILES[:3]) else None
    except OSError:
        return folder  # its files then say that they cannot be read


def _problem(file: str, what: str, fix: str) -> Violation:
    return Violation(rule=Rule.FILES, file=file, what=what, fix=fix)


def _missing(files: dict[str, bytes], problems: list[Violation]) -> tuple[Violation, ...]:
    said = {p.file for p in problems}
    for name in FILES[:3]:
        if name not in files and name not in said:
            problems.append(_problem(name, "the file is missing", "hand in scheduler.py, config.py, submission.json"))
    return tuple(problems)


def _from_folder(folder: Path, identity: str) -> Submission:
    files: dict[str, bytes] = {}
    problems: list[Violation] = []
    for name in FILES:
        try:
            with open_ordinary(folder / name, follow=False) as stream:
                _keep(name, stream.read, files, problems)
        except FileNotFoundError:
            continue
        except NotOrdinaryError as error:
            problems.append(_problem(name, str(error.strerror), "hand in an ordinary file"))
        except OSError as error:
            problems.append(_problem(name, f"cannot be read ({error.strerror})", "hand in an ordinary file"))
    return Submission(identity, files, _missing(files, problems))


def _keep(name: str, read: Callable[[int], bytes], files: dict[str, bytes], problems: list[Violation]) -> None:
    limit = MAX_CODE if name in CODE else MAX_TEXT
    data = read(limit + 1)
    if len(data) > limit:
        fix = "hand in the source text only" if name in CODE else "shorten it"
        problems.append(_problem(name, f"is larger than {limit >> 10} KiB", fix))
    else:
        files[name] = data


def _from_archive(path: Path, identity: str) -> Submission:
    problems: list[Violation] = []
    files: dict[str, bytes] = {}
    try:
        with open_ordinary(path, follow=False) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_ARCHIVE:
                raise _Unsafe(f"is larger than {MAX_ARCHIVE >> 20} MiB")
            read = _read_zip if path.name.lower().endswith(".zip") else _read_tar
            read(stream, files, problems)
    except _Unsafe as error:
        files.clear()
        fix = "pack the files of the assignment only, as an ordinary .zip or .tar.gz"
        return Submission(identity, {}, (_problem(clean(path.name), str(error), fix),))
    except (Exception, MemoryError) as error:  # a hostile archive can make the readers raise anything
        what = f"is not a readable archive ({clean(str(error))[:200]})"
        return Submission(identity, {}, (_problem(clean(path.name), what, "pack the files again"),))
    return Submission(identity, files, _missing(files, problems))


class _Unsafe(Exception):
    """An archive that tries to be more than a box of files; the message says how."""


def _checked(name: str) -> PurePosixPath | None:
    """The path of a member as far as it may matter; None for a system's by-product."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise _Unsafe(f"holds a path that leads outside: {clean(name)[:100]}")
    if any(part == "__MACOSX" or part.startswith("._") for part in path.parts):
        return None
    return path


def _home(paths: list[PurePosixPath]) -> PurePosixPath:
    """The folder in the archive that holds the submission: the shallowest one with scheduler.py."""
    homes = sorted({p.parent for p in paths if p.name in CODE}, key=lambda p: (len(p.parts), str(p)))
    if len(homes) > 1 and len(homes[0].parts) == len(homes[1].parts):
        raise _Unsafe(f"holds two submissions: {clean(str(homes[0]))} and {clean(str(homes[1]))}")
    return homes[0] if homes else PurePosixPath()


def _check_directory(stream: BinaryIO) -> None:
    """Refuse a zip with a directory of more entries than we would read, before `zipfile` reads it all.

    Source: PKWARE's APPNOTE.TXT, 4.3.15 and 4.3.16 (end of central directory, and zip64's locator before it).
    """
    stream.seek(max(0, os.fstat(stream.fileno()).st_size - (1 << 16) - 42))
    tail = stream.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise _Unsafe("is no zip archive")
    count, size = struct.unpack_from("<HI", tail, end + 10)
    if tail[max(0, end - 20) : end].startswith(b"PK\6\7") or count == 0xFFFF or size == 0xFFFFFFFF:
        raise _Unsafe("is in the zip64 format, which is for archives larger than a submission")
    if count > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise _Unsafe(f"holds more than {MAX_MEMBERS} files")


def _read_zip(packed: BinaryIO, files: dict[str, bytes], problems: list[Violation]) -> None:
    _check_directory(packed)
    with zipfile.ZipFile(packed) as archive:
        members: dict[PurePosixPath, zipfile.ZipInfo] = {}
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise _Unsafe(f"holds more than {MAX_MEMBERS} files")
        for info in infos:
            member = _checked(info.filename)
            mode = info.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _Unsafe(f"holds a link or device: {clean(info.filename)[:100]}")
            if member is not None and not info.is_dir():
                members[member] = info
        home = _home(list(members))
        for name in FILES:
            info_ = members.get(home / name)
            if info_ is not None:
                # Others are unpacked by whole chunks, whatever size is asked for: a few KB become gigabytes.
                if info_.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise _Unsafe(f"packs {name} in a way that is not the usual one (deflate)")
                with archive.open(info_) as stream:
                    _keep(name, stream.read, files, problems)


class _Capped(io.RawIOBase):
    """What a stream unpacks to, up to the cap: a header's payload counts like a file's."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._left = stream, MAX_ARCHIVE

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _Unsafe(f"unpacks to more than {MAX_ARCHIVE >> 20} MiB")
        return data


@dataclass(frozen=True)
class _Member:
    """A file of a tar; `read` gives at most so many bytes of its content, once."""

    name: str
    read: Callable[[int], bytes]


def _members(stream: _Capped) -> Iterator[_Member]:
    """The ordinary files of a tar, in one pass.

    Only headers are left to `tarfile`, for what may stand between them can cost it hours and gigabytes (as
    CVE-2024-6232 did): records are read here, in time that is linear in their size. Of those only a file's path and size
    are of use. Source: POSIX's pax interchange format; GNU tar's manual, "Basic Tar Format".
    """
    further, lines, headers, own = 0, 0, 0, dict[bytes, bytes]()
    while len(block := _exactly(stream, tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE and any(block):
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        headers += 1
        if headers > 3 * MAX_MEMBERS:
            raise _Unsafe(f"holds more than {MAX_MEMBERS} files")
        if info.size < 0:
            raise _Unsafe("has a file of negative size")
        if info.type in _FURTHER:
            further += info.size
            payload = b"" if further > _MAX_HEADERS else _exactly(stream, _padded(info.size))[: info.size]
            lines += payload.count(b"\n")
            if further > _MAX_HEADERS or lines > _MAX_RECORDS:
                raise _Unsafe("has headers longer than names and times of files can be")
            if info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                own |= _records(payload)
            elif info.type == tarfile.GNUTYPE_LONGNAME:
                own[b"path"] = payload.partition(b"\0")[0]
            continue
        name = own.get(b"path", b"").decode("utf-8", "surrogateescape") or info.name
        size = int(own[b"size"]) if b"size" in own else info.size
        own = {}
        if info.isdir():
            continue
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
            raise _Unsafe(f"holds a link or device: {clean(name)[:100]}")
        left = size

        def read(count: int) -> bytes:
            nonlocal left
            data = _exactly(stream, min(count, left))
            left -= len(data)
            return data

        yield _Member(name, read)
        rest = left + _padded(size) - size
        while rest > 0 and (data := stream.read(min(rest, 1 << 16))):
            rest -= len(data)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _exactly(stream: _Capped, size: int) -> bytes:
    """`size` bytes, fewer at the end of the stream only."""
    parts = []
    while size > 0 and (data := stream.read(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def _records(payload: bytes) -> dict[bytes, bytes]:
    """Path and size of the file that follows. Each record: its length in bytes, a blank, keyword=value, a line's end."""
    found, at = {}, 0
    while at < len(payload):
        match = _LENGTH.match(payload, at)
        length = int(match[1]) if match else 0
        if match is None or length < 5 or payload[at + length - 1 : at + length] != b"\n":
            raise _Unsafe("has a header that is no list of records")
        key, _, value = payload[match.end() : at + length - 1].partition(b"=")
        if key.startswith(b"GNU.sparse."):
            raise _Unsafe("holds a sparse file")
        if key == b"path" or (key == b"size" and value.isdigit() and len(value) < 20):
            found[key] = value
        at += length
    return found


def _read_tar(packed: BinaryIO, files: dict[str, bytes], problems: list[Violation]) -> None:
    """One pass to look, one to read: a compressed tar has no directory to look things up in."""
    with gzip.open(packed) as raw:
        names = list(islice((member.name for member in _members(_Capped(raw))), MAX_MEMBERS + 1))
    if len(names) > MAX_MEMBERS:
        raise _Unsafe(f"holds more than {MAX_MEMBERS} files")
    wanted = {_home([p for name in names if (p := _checked(name)) is not None]) / name: name for name in FILES}
    packed.seek(0)
    with gzip.open(packed) as raw:
        for member in _members(_Capped(raw)):
            if name := wanted.get(PurePosixPath(member.name.replace("\\", "/"))):
                _keep(name, member.read, files, problems)

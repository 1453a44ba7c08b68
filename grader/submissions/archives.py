"""Untrusted archives: reads the wanted files from a .zip or .tar.gz in bounded time and memory.

Nothing is unpacked to the disk. What an archive holds besides the wanted files is counted and passed over.
"""

import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import BinaryIO

from grader.core.text import clean

MAX_ARCHIVE = 64 << 20  # bytes on disk, and bytes unpacked
MAX_MEMBERS = 2000
MAX_DIRECTORY = 1 << 20  # bytes of a zip's list of its files
_MAX_HEADERS = 2 << 20  # bytes of a tar's further headers, which hold long names and times: a KiB per file
_MAX_RECORDS = 20 * MAX_MEMBERS  # lines in them
_CHUNK = 1 << 16
_MAX_IDLE = 1 << 20  # bytes of a .gz that unpack to nothing, as a header's do
#: Headers before a file's own: records, and long names.
_FURTHER = (
    tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_LENGTH = re.compile(rb"([0-9]{1,7}) ")


class Unsafe(Exception):
    """An archive that is refused; the message says why."""


@dataclass(frozen=True)
class File:
    """A file of an archive; `read` gives at most so many bytes of its content, until the next file is asked for."""

    name: str
    read: Callable[[int], bytes]


def files_in(packed: BinaryIO, *, is_zip: bool, names: Collection[str], marks: Collection[str]) -> Iterator[File]:
    """The files called `names` in the one folder of the archive that holds a file called as one of `marks`.

    Raises Unsafe, and whatever else the readers of hostile bytes raise.
    """
    if os.fstat(packed.fileno()).st_size > MAX_ARCHIVE:
        raise Unsafe(f"is larger than {MAX_ARCHIVE >> 20} MiB")
    return (_from_zip if is_zip else _from_tar)(packed, names, marks)


def _checked(name: str) -> PurePosixPath | None:
    """The path of a member as far as it may matter; None for a system's by-product."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise Unsafe(f"holds a path that leads outside: {clean(name)[:100]}")
    if any(part == "__MACOSX" or part.startswith("._") for part in path.parts):
        return None
    return path


def _home(paths: list[PurePosixPath], marks: Collection[str]) -> PurePosixPath:
    """The folder in the archive that holds the submission: the shallowest one with a file called as one of `marks`."""
    homes = sorted({p.parent for p in paths if p.name in marks}, key=lambda p: (len(p.parts), str(p)))
    if len(homes) > 1 and len(homes[0].parts) == len(homes[1].parts):
        first, second = (clean(str(home))[:100] for home in homes[:2])
        raise Unsafe(f"holds two submissions: {first} and {second}")
    return homes[0] if homes else PurePosixPath()


def _check_directory(stream: BinaryIO) -> None:
    """Refuse a zip with a directory of more entries than we would read, before `zipfile` reads it all.

    Source: PKWARE's APPNOTE.TXT, 4.3.15 and 4.3.16 (end of central directory, and zip64's locator before it).
    """
    stream.seek(max(0, os.fstat(stream.fileno()).st_size - (1 << 16) - 42))
    tail = stream.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise Unsafe("is no zip archive, or only a part of one")
    count, size = struct.unpack_from("<HI", tail, end + 10)
    if tail[max(0, end - 20) : end].startswith(b"PK\6\7") or count == 0xFFFF or size == 0xFFFFFFFF:
        raise Unsafe("is in the zip64 format, which is for archives larger than a submission")
    if count > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise Unsafe(f"holds more than {MAX_MEMBERS} files")


def _from_zip(packed: BinaryIO, names: Collection[str], marks: Collection[str]) -> Iterator[File]:
    _check_directory(packed)
    with zipfile.ZipFile(packed) as archive:
        members: dict[PurePosixPath, zipfile.ZipInfo] = {}
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise Unsafe(f"holds more than {MAX_MEMBERS} files")
        for info in infos:
            member = _checked(info.filename)
            mode = info.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Unsafe(f"holds a link or device: {clean(info.filename)[:100]}")
            if member is not None and not info.is_dir():
                members[member] = info
        home = _home(list(members), marks)
        for name in names:
            info_ = members.get(home / name)
            if info_ is not None:
                # Others are unpacked by whole chunks, whatever size is asked for: a few KB become gigabytes.
                if info_.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise Unsafe(f"packs {name} in a way that is not the usual one (deflate)")
                with archive.open(info_) as stream:
                    yield File(name, stream.read)


class _Unpacked:
    """What a .gz unpacks to, up to the cap: a header's payload counts like a file's.

    One stream, as tar and gzip write it: `gzip` would go through any number of empty ones, and of zeros after them.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._inflate = packed, zlib.decompressobj(wbits=31)
        self._left, self._idle = MAX_ARCHIVE, 0

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the stream's end."""
        parts: list[bytes] = []
        while size > 0 and (data := self._some(size)):
            parts.append(data)
            size -= len(data)
            self._left -= len(data)
            if self._left < 0:
                raise Unsafe(f"unpacks to more than {MAX_ARCHIVE >> 20} MiB")
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        while not self._inflate.eof:
            chunk = self._inflate.unconsumed_tail or self._packed.read(_CHUNK)
            if not chunk:
                raise Unsafe("ends in the middle of a file")
            data = self._inflate.decompress(chunk, min(size, self._left + 1))
            self._idle = 0 if data else self._idle + len(chunk)
            if self._idle > _MAX_IDLE:
                raise Unsafe("is packed in a way that unpacks to nothing")
            if data:
                return data
        if (self._inflate.unused_data or self._packed.read(2)).startswith(b"\x1f\x8b"):
            raise Unsafe("is made of several .gz files")
        return b""


def _members(stream: _Unpacked) -> Iterator[File]:
    """The ordinary files of a tar, in one pass.

    Only headers are left to `tarfile`, for what may stand between them can cost it hours and gigabytes (as
    CVE-2024-6232 did): records are read here, in time that is linear in their size. Of those only a file's path and size
    are of use. Source: POSIX's pax interchange format; GNU tar's manual, "Basic Tar Format".
    """
    further, lines, headers, own = 0, 0, 0, dict[bytes, bytes]()
    while len(block := stream.read(tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE and any(block):
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        headers += 1
        if headers > 3 * MAX_MEMBERS:
            raise Unsafe(f"holds more than {MAX_MEMBERS} files")
        if info.size < 0:
            raise Unsafe("has a file of negative size")
        if info.type in _FURTHER:
            further += info.size
            payload = b"" if further > _MAX_HEADERS else _exactly(stream, _padded(info.size))[: info.size]
            lines += payload.count(b"\n")
            if further > _MAX_HEADERS or lines > _MAX_RECORDS:
                raise Unsafe("has headers longer than names and times of files can be")
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
            raise Unsafe(f"holds a link or device: {clean(name)[:100]}")
        left = size

        def read(count: int) -> bytes:
            nonlocal left
            data = _exactly(stream, min(count, left))
            left -= len(data)
            return data

        yield File(name, read)
        rest = left + _padded(size) - size
        while rest > 0:
            rest -= len(_exactly(stream, min(rest, _CHUNK)))


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _exactly(stream: _Unpacked, size: int) -> bytes:
    """`size` bytes. Raises Unsafe if the stream ends before."""
    data = stream.read(size)
    if len(data) < size:
        raise Unsafe("ends in the middle of a file")
    return data


def _records(payload: bytes) -> dict[bytes, bytes]:
    """Path and size of the file that follows. Each record: its length in bytes, a blank, keyword=value, a line's end."""
    found, at = {}, 0
    while at < len(payload):
        match = _LENGTH.match(payload, at)
        length = int(match[1]) if match else 0
        if match is None or length < 5 or payload[at + length - 1 : at + length] != b"\n":
            raise Unsafe("has a header that is no list of records")
        key, _, value = payload[match.end() : at + length - 1].partition(b"=")
        if key.startswith(b"GNU.sparse."):
            raise Unsafe("holds a sparse file")
        if key == b"path" or (key == b"size" and value.isdigit() and len(value) < 20):
            found[key] = value
        at += length
    return found


def _from_tar(packed: BinaryIO, names: Collection[str], marks: Collection[str]) -> Iterator[File]:
    """One pass to look, one to read: a compressed tar has no directory to look things up in."""
    there = [member.name for member in islice(_members(_Unpacked(packed)), MAX_MEMBERS + 1)]
    if len(there) > MAX_MEMBERS:
        raise Unsafe(f"holds more than {MAX_MEMBERS} files")
    home = _home([path for name in there if (path := _checked(name)) is not None], marks)
    wanted = {home / name: name for name in names}
    packed.seek(0)
    for member in _members(_Unpacked(packed)):
        if name := wanted.get(PurePosixPath(member.name.replace("\\", "/"))):
            yield File(name, member.read)

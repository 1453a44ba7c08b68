"""Untrusted archives: reads the wanted files from a .zip or a tar in bounded time and memory.

Nothing is unpacked to the disk. What an archive holds besides the wanted files is counted and passed over.
"""

import bz2
import contextlib
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from grader.core.text import clean
from grader.submissions.tree import Tree, Unsafe

MAX_ARCHIVE = 64 << 20  # bytes on disk, and bytes unpacked
MAX_MEMBERS = 2000
ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
#: Archives that are known, and not read.
UNREAD = (".rar", ".7z", ".gz", ".bz2", ".xz", ".tar.zst", ".zipx")
_XZ_MEMORY = 96 << 20
_MAX_NAME, _MAX_DEPTH = 4096, 100
_MAX_HEADERS = 2 << 20  # bytes of a tar's further headers, which hold long names and times: a KiB per file
_MAX_RECORDS = 20 * MAX_MEMBERS  # lines in them
_CHUNK = 1 << 16
_UTF8_NAME = 0x800  # a zip member's flag
_MAX_IDLE = 1 << 20  # compressed bytes that unpack to nothing, as a header's do
#: Headers before a file's own: records, and long names.
_FURTHER = (
    tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_LENGTH = re.compile(rb"([0-9]{1,7}) ")


@dataclass(frozen=True)
class Bounds:
    """How large an archive may be."""

    bytes: int  # on disk
    members: int
    directory: int  # bytes of a zip's list of its files


ONE = Bounds(MAX_ARCHIVE, MAX_MEMBERS, 1 << 20)
#: A whole class's download.
CLASS = Bounds(2 << 30, 60_000, 32 << 20)


def open_archive(packed: BinaryIO, name: str, bounds: Bounds = ONE) -> Tree:
    """What an archive called `name` holds. Raises Unsafe, and whatever else the readers of hostile bytes raise."""
    packed.seek(0, os.SEEK_END)
    if packed.tell() > bounds.bytes:
        raise Unsafe(f"is larger than {bounds.bytes >> 20} MiB")
    return _Zip(packed, bounds) if suffix_of(name) == ".zip" else _Tar(packed, suffix_of(name))


def suffix_of(name: str) -> str:
    """The ending of an archive's name that tells its kind; empty for what is no archive that can be read."""
    return next((suffix for suffix in ARCHIVES if name.lower().endswith(suffix)), "")


@dataclass(frozen=True)
class _Member:
    """An ordinary file of a tar; `read` gives at most so many bytes of it, until the next one is asked for."""

    name: str
    read: Callable[[int], bytes]


def _checked(name: str) -> PurePosixPath | None:
    """The path of a member as far as it may matter; None for a system's by-product."""
    if len(name) > _MAX_NAME or name.count("/") + name.count("\\") > _MAX_DEPTH:
        raise Unsafe(f"holds a path longer than {_MAX_NAME} characters or deeper than {_MAX_DEPTH} folders")
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts:
        return None
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise Unsafe(f"holds a path that leads outside: {clean(name)[:100]}")
    if any(part == "__MACOSX" or part.startswith("._") for part in path.parts):
        return None
    return path


def _check_directory(stream: BinaryIO, bounds: Bounds) -> None:
    """Refuse a zip with a directory of more entries than we would read, before `zipfile` reads it all.

    Source: PKWARE's APPNOTE.TXT, 4.3.15 and 4.3.16 (end of central directory, and zip64's locator before it).
    """
    end_of_file = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end_of_file - (1 << 16) - 42))
    tail = stream.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise Unsafe("is no zip archive, or only a part of one")
    count, size = struct.unpack_from("<HI", tail, end + 10)
    if tail[max(0, end - 20) : end].startswith(b"PK\6\7") or count == 0xFFFF or size == 0xFFFFFFFF:
        raise Unsafe("is in the zip64 format, which is for archives larger than a submission")
    if count > bounds.members or size > bounds.directory:
        raise Unsafe(f"holds more than {bounds.members} files")


class _Zip:
    """The tree of a zip."""

    def __init__(self, packed: BinaryIO, bounds: Bounds) -> None:
        _check_directory(packed, bounds)
        self._archive = zipfile.ZipFile(packed)
        infos = self._archive.infolist()
        if len(infos) > bounds.members:
            raise Unsafe(f"holds more than {bounds.members} files")
        self._members: dict[PurePosixPath, zipfile.ZipInfo] = {}
        self.odd: dict[PurePosixPath, str] = {}
        for info in infos:
            path = _checked(_name_of(info))
            mode = info.external_attr >> 16
            if path is None or info.filename.endswith(("/", "\\")):
                continue
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                self.odd[path] = "is a link or device"
            else:
                self._members[path] = info
        self.paths = list(self._members)

    def read(self, wanted: Mapping[PurePosixPath, int]) -> dict[PurePosixPath, bytes]:
        """At most so many bytes of each."""
        found = {}
        for path, size in wanted.items():
            info = self._members[path]
            # Others are unpacked by whole chunks, whatever size is asked for: a few KB become gigabytes.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Unsafe(f"packs {clean(path.name)[:100]} in a way that is not the usual one (deflate)")
            with self._archive.open(info) as stream:
                found[path] = stream.read(size)
        return found


def _name_of(info: zipfile.ZipInfo) -> str:
    """The name of a member. Some write UTF-8 without saying so; `zipfile` then reads the letters of an old PC."""
    if not info.flag_bits & _UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            return info.filename.encode("cp437").decode("utf-8")
    return info.filename


class _Inflate:
    """zlib's decompressor, for .gz, with the interface of those of `bz2` and `lzma`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(data or self._inflate.unconsumed_tail, max_length)


def _decompressor(suffix: str) -> Any:
    if suffix in (".tar.bz2", ".tbz2"):
        return bz2.BZ2Decompressor()
    if suffix in (".tar.xz", ".txz"):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return _Inflate() if suffix != ".tar" else None


class _Unpacked:
    """What a compressed tar unpacks to, up to the cap: a header's payload counts like a file's.

    One stream, as tar writes it: `gzip` would go through any number of empty ones, and of zeros after them.
    """

    def __init__(self, packed: BinaryIO, suffix: str) -> None:
        packed.seek(0)
        self._packed, self._by = packed, _decompressor(suffix)
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
        if self._by is None:
            return self._packed.read(size)
        while not self._by.eof:
            chunk = self._packed.read(_CHUNK) if self._by.needs_input else b""
            if not chunk and self._by.needs_input:
                raise Unsafe("ends in the middle of a file")
            data = bytes(self._by.decompress(chunk, min(size, self._left + 1)))
            self._idle = 0 if data else self._idle + len(chunk)
            if self._idle > _MAX_IDLE:
                raise Unsafe("is packed in a way that unpacks to nothing")
            if data:
                return data
        if (self._by.unused_data or self._packed.read(6)).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
            raise Unsafe("is made of several compressed files")
        return b""


def _members(stream: _Unpacked, odd: dict[PurePosixPath, str]) -> Iterator[_Member]:
    """The ordinary files of a tar, in one pass; what else it holds goes into `odd`.

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
            if (path := _checked(name)) is not None:
                odd[path] = "is a link or device"
            if info.type in (tarfile.LNKTYPE, tarfile.SYMTYPE):
                size = 0  # they have none, whatever their headers say
        left = size

        def read(count: int) -> bytes:
            nonlocal left
            data = _exactly(stream, min(count, left))
            left -= len(data)
            return data

        if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
            yield _Member(name, read)
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


class _Tar:
    """The tree of a tar. Each look goes through it from the start: it has no directory to look things up in."""

    def __init__(self, packed: BinaryIO, suffix: str) -> None:
        self._packed, self._suffix = packed, suffix
        self.odd: dict[PurePosixPath, str] = {}
        names = [member.name for member in islice(self._walk(), MAX_MEMBERS + 1)]
        if len(names) > MAX_MEMBERS:
            raise Unsafe(f"holds more than {MAX_MEMBERS} files")
        self.paths = [path for name in names if (path := _checked(name)) is not None]

    def _walk(self) -> Iterator[_Member]:
        return _members(_Unpacked(self._packed, self._suffix), self.odd)

    def read(self, wanted: Mapping[PurePosixPath, int]) -> dict[PurePosixPath, bytes]:
        """At most so many bytes of each."""
        found = {}
        for member in self._walk():
            path = PurePosixPath(member.name.replace("\\", "/"))
            if path in wanted:
                found[path] = member.read(wanted[path])
        return found

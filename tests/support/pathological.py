"""Texts that make readers slow, and every place on the host that reads, parses, compares or prints students' texts.

python tests/support/pathological.py      seconds of CPU time and MB of memory, for each place the worst text
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grader.core.recipe import Optimizer, ParameterGroup, Recipe, Series
from grader.core.text import clean
from grader.publish.canvas import _found
from grader.sandbox.compile import _names_chance
from grader.student.advice import Subject, advise
from grader.student.source import SchedulerSource
from grader.submissions import known_schedules, similarity
from grader.submissions.intake import discover
from grader.submissions.loader import MAX_CODE
from grader.submissions.manifest import read_manifest
from grader.submissions.similarity import Candidate, Origin
from grader.submissions.torch_schedules import played_by

SIZE = MAX_CODE


def _filled(unit: str, start: str = "", end: str = "") -> str:
    return start + unit * ((SIZE - len(start) - len(end)) // len(unit.encode())) + end


#: name: text of at most the size that is taken. Programs, and what only looks like one.
TEXTS = {
    "blanks before a bare CR": _filled(" ", "x = 1", "\ry = 2"),
    "form feeds": _filled("\f", "x = 1", "\ny = 2"),
    "open brackets": _filled("("),
    "closed brackets": "(" * (SIZE // 2) + ")" * (SIZE // 2),
    "brackets of three kinds": _filled("[({"),
    "minus signs": _filled("-", end="1"),
    "not not not": _filled("not ", "x = ", "1"),
    "lambdas in lambdas": _filled("lambda: ", "x = ", "1"),
    "powers": _filled("**9", "x = 9"),
    "commas": _filled(",", "x = ["),
    "dots": _filled(".a", "a"),
    "one long line of names": _filled("a ", "x = "),
    "one long name": _filled("a"),
    "one long number": _filled("9", "x = "),
    "one long hexadecimal number": _filled("f", "x = 0x"),
    "underscores in a number": _filled("1_", "x = ", "1"),
    "exponents": _filled("e9", "x = 1"),
    "a string that never ends": _filled("a", "x = '"),
    "a text that never ends": _filled("a\n", 'x = """'),
    "backslashes in a string": _filled("\\", "x = '", "'"),
    "backslashes at the ends of lines": _filled("\\\n", "x = 1 + "),
    "quotes": _filled("'"),
    "three quotes": _filled('"""'),
    "quotes of two kinds": _filled("'\""),
    "prefixes of strings": _filled("rb'' "),
    "f-strings in f-strings": _filled("f'{", "x = "),
    "names of characters": _filled("\\N{", "x = '"),
    "comments": _filled("#"),
    "comments and quotes": _filled("#'\n"),
    "decorators": _filled("@a\n", end="def f(): pass"),
    "classes in classes": "".join(" " * n + "class a:\n" for n in range(300)),
    "indentation": "".join(" " * n + "if 1:\n" for n in range(340)),
    "semicolons": _filled(";x=1", "x=1"),
    "empty lines": _filled("\n"),
    "lines of one letter": _filled("a\n"),
    "calls in calls": _filled("f(", end="1"),
    "formulas": _filled("x=x*.9+.1\n"),
    "letters of many alphabets": _filled("ж𝒳é"),
    "null bytes": _filled("\0"),
    "marks that turn writing": _filled("\u202e"),
    "brackets in a comment of HTML": _filled("<!--"),
    "placeholders": _filled("list your "),
}
#: Those that a lexer takes longest for, of each kind one: every comparison starts a process.
SLOW_TO_LEX = (
    "open brackets",
    "dots",
    "names of characters",
    "calls in calls",
    "null bytes",
    "backslashes in a string",
)
MANIFESTS = {
    "2,000 contributors": json.dumps({"assignment_name": "a", "contributors": ["Ada"] * 2000, "sources": ["x"]}),
    "200 placeholders": json.dumps({"assignment_name": "a", "contributors": ["your  name" * 20] * 200, "sources": []}),
    "a list in lists": _filled("["),
    "an object in objects": _filled('{"a":'),
    "keys": "{" + ",".join(f'"{n}":1' for n in range(6000)) + "}",
    "one key again and again": "{" + '"a":1,' * (SIZE // 7) + '"a":1}',
    "digits": _filled("9", '{"contributors": ', "}"),
    "escapes": _filled("\\u202e", '{"contributors": "', '"}'),
    "backslashes": _filled("\\", '{"contributors": "', '"}'),
}


def _tar(*parts: tuple[bytes, bytes, dict[str, str]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind, data, records in parts:
            info = tarfile.TarInfo("scheduler.py")
            info.type, info.size, info.pax_headers = kind, len(data), records
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), 1)


def _zip(files: int, name: str = "", comment: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(files):
            archive.writestr(f"{name}{number}", b"")
        archive.writestr("scheduler.py", bytes(64 << 20))
        archive.comment = comment
    return packed.getvalue()


def _records(count: int) -> bytes:
    return b"".join(
        b"%d %d=b\n" % (len(str(n)) + 6 if len(str(n)) + 6 > 9 else len(str(n)) + 5, n) for n in range(count)
    )


def archives() -> Iterator[tuple[str, str, bytes]]:
    """Name, suffix and content."""
    yield "a tar of 60 MB", ".tar.gz", _tar((b"0", bytes(60 << 20), {}))
    yield "a tar's header of many records", ".tar.gz", _tar((b"x", _records(3_000_000), {}), (b"0", b"", {}))
    yield (
        "a tar's header for all files",
        ".tar.gz",
        _tar((b"g", _records(100_000), {}), *[(b"0", b"", {"a": "b"})] * 900),
    )
    holes = b"3000000\n" + b"0\n" * 6_000_000
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": "1"}
    yield "a tar's map of holes", ".tar.gz", _tar((b"0", holes, sparse))
    many: list[Any] = [(b"g", _records(400), {})] * 80 + [(b"0", bytes(512), {})]
    again = _tar(*many * 6, *[(b"0", bytes(512), {})] * 1800)
    yield "a tar's headers for all files, again and again", ".tar.gz", again
    endless = b"5 aa\n" * 400_000 + b"5 a=\n"
    yield "a tar's header of keywords without end", ".tar.gz", _tar((b"x", endless, {}), (b"0", b"", {}))
    yield "a tar of empty headers", ".tar.gz", _tar(*[(b"x", b"", {})] * 100_000)
    yield "a tar of folders", ".tar.gz", _tar(*[(b"5", b"", {})] * 100_000)
    yield "a tar's header of digits", ".tar.gz", _tar((b"x", b"9" * 2_000_000, {}), (b"0", b"", {}))
    yield "a tar's older map of holes", ".tar.gz", _tar((b"S", b"", {}))
    yield "a tar of names as long as can be", ".tar.gz", _tar(*[(b"L", b"a/" * 60_000, {}), (b"0", b"", {})] * 300)
    yield "a zip of 60 MB in one file", ".zip", _zip(0)
    yield "a zip of 1,900 files", ".zip", _zip(1900, "a/" * 200)
    yield "a zip's comment", ".zip", _zip(0, comment=b"PK\5\6" * 16_000)


def _recipe(rates: list[float]) -> Recipe:
    values, counts = [rates[0]], [0]
    for rate in rates:
        if rate != values[-1]:
            values.append(rate)
            counts.append(0)
        counts[-1] += 1
    group = ParameterGroup(parameters=("a",), lr=Series[float](values=tuple(values), counts=tuple(counts)), others={})
    return Recipe(optimizer=Optimizer.SGD, groups=(group,), frozen=(), batch_size=1, epochs=1, transforms=())


N = 50_000
NUMBERS = " ".join(map(str, [*range(1, 20), *(0.1 * n for n in range(1, 20)), 1e9, 1e-9]))
SCHEDULES = {
    "still, then down": [1.0] * (N // 2) + [0.5] * (N // 2),
    "straight up": [float(n) for n in range(N)],
    "up and down": [float(n % 2) for n in range(N)],
    "all but the last": [1.0] * (N - 1) + [0.5],
    "halves": [0.5 ** (n // 50) for n in range(N)],
    "saw": [float(n % 7) for n in range(N)],
    "tiny": [5e-324] * N,
}


def _candidate(name: str, code: str) -> Candidate:
    return Candidate(id=name, origin=Origin.CLASS, code=code, sources=(), recipe=None)


def _advice(code: str) -> None:
    for rates in ([0.1] * 100, SCHEDULES["saw"][:100]):
        advise(Subject(_recipe(rates), None, SchedulerSource(code)))


def _bits(code: str) -> None:
    played_by(SCHEDULES["halves"], 1.0, code, code)


def _archive(suffix: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"student{suffix}").write_bytes(data)
        discover(Path(folder))


def _folder(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        student = Path(folder) / "student"
        student.mkdir()
        for name in ("scheduler.py", "config.py", "submission.json"):
            (student / name).write_text(text)
        discover(Path(folder))


Case = tuple[str, Callable[[], object]]


def places() -> dict[str, Iterator[Case]]:
    """For each place, the texts to read there."""

    def each(act: Callable[[str], object], texts: dict[str, str] = TEXTS) -> Iterator[Case]:
        for name, text in texts.items():
            yield name, lambda text=text: act(text)  # type: ignore[misc]

    both = {**TEXTS, **MANIFESTS}
    return {
        "whether code names chance": each(lambda text: _names_chance(text.encode())),
        "submission.json": each(lambda text: read_manifest({"submission.json": text.encode()}), both),
        "ATTRIBUTION.md": each(
            lambda text: read_manifest(
                {"submission.json": MANIFESTS["200 placeholders"].encode(), "ATTRIBUTION.md": text.encode()}
            ),
            both,
        ),
        "a folder": each(_folder),
        "an archive": ((name, lambda s=s, d=d: _archive(s, d)) for name, s, d in archives()),
        "similarity": each(
            lambda text: similarity.compare([_candidate("a", text), _candidate("b", text + "\nx = 1")], []),
            {name: TEXTS[name] for name in SLOW_TO_LEX},
        ),
        "advice": each(_advice),
        "a schedule's name": (
            (name, lambda rates=rates: known_schedules.name_of(rates)) for name, rates in SCHEDULES.items()
        ),
        "PyTorch's bits": each(_bits),
        "PyTorch's bits with many numbers": (
            (name, lambda rates=rates: played_by(rates, rates[0] or 1.0, "x = 1", NUMBERS))
            for name, rates in SCHEDULES.items()
        ),
        "text that is shown": each(clean),
        "a roster": iter([("2,000 students and submissions", _roster)]),
    }


def _roster() -> None:
    class Row:
        def __init__(self, number: int) -> None:
            self.id = f"name{number}_late_{number}_{number}_a.zip" if number % 2 else f"Student{number}"

    students = [[str(n), f"student{n}", f"login{n}@example.org"] for n in range(2000)]
    found, _, _ = _found([Row(n) for n in range(2000)], students)  # type: ignore[misc]
    assert len(found) == 2000


def measured(place: str) -> Iterator[tuple[str, float, float]]:
    """For each text of a place: its name, seconds of CPU time, and MB on top of what was in use."""
    similarity.compare([_candidate("a", "x = 1"), _candidate("b", "x = 1")], [])  # what it imports is no text's
    for name, act in list(places()[place]):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is in use, proc(5)
        before = _peak_kb()
        started = time.process_time()
        act()
        seconds = time.process_time() - started
        yield name, seconds, (_peak_kb() - before) / 1024


def _peak_kb() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def main() -> None:
    for place in sys.argv[1:] or places():
        for name, seconds, megabytes in measured(place):
            print(f"{place}\t{name}\t{seconds:.3f}\t{megabytes:.1f}", flush=True)


if __name__ == "__main__":
    main()

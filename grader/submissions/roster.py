"""The roster: who is in the course, and whose hand-in is whose.

Columns are recognised by their names: grader's own (id, name, email, section), those of Canvas's gradebook export, of
Moodle's grading worksheet, of Gradescope's roster and of GitHub Classroom's.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.core.errors import UsageError
from grader.core.files import read_ordinary
from grader.core.recipe import Frozen
from grader.core.text import clean
from grader.core.verdict import Rule, Violation
from grader.submissions.intake import Class, HandIn, Layout, identity_of
from grader.submissions.loader import Submission
from grader.submissions.manifest import read_manifest

#: By what it says: the columns that say it, in lower case, the first of them that is filled in counts.
_ID = (
    "id", "sid", "id number", "sis user id", "student id", "username", "identifier", "github_username", "email",
    "email address",
)  # fmt: skip
_NAME = ("name", "full name", "student", "student name")
_EMAIL = ("email", "email address", "e-mail", "sis login id")
_SECTION = ("section", "sections", "section name")
#: All columns by which a system may name a student.
_KEYS = dict.fromkeys(
    (*_ID, *_EMAIL, "sis login id", "integration id", "username", "github_id", "participant number", "orgdefinedid")
)
#: Lines of an export that are no student.
_NOBODY = re.compile(r"\s*(points possible|student, test|test student)\s*$", re.I)
#: As the intake names what Canvas and Moodle give out.
_NAME_AND_LOGIN = re.compile(r"(?P<name>[^()]+)\((?P<login>[^()]+)\)")
_NUMBERED = re.compile(r"(?P<name>.+)_(?P<number>\d{2,18})", re.S)
_PARTICIPANT = re.compile(r"participant (\d+)", re.I)


class Student(Frozen):
    """Somebody of the course."""

    id: str  # of the row
    name: str = ""
    email: str = ""
    section: str = ""
    keys: tuple[str, ...] = ()  # everything that may name the student, in lower case


@dataclass(frozen=True)
class Matched:
    """A class beside its roster."""

    found: Class  # its ids are those of the roster, where a hand-in is of one student alone
    members: dict[str, tuple[Student, ...]]  # by the id of a hand-in: who it is of, as far as that is known
    missing: tuple[Student, ...]  # who has handed in nothing
    unknown: tuple[str, ...]  # ids of hand-ins of nobody in the roster


def read_table(path: Path) -> list[list[str]]:
    """The lines of a CSV file, in UTF-8 or, as Blackboard and spreadsheets write it, in UTF-16. Raises UsageError."""
    try:
        data = read_ordinary(path)
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not CSV in UTF-8: {error}") from None


def read_roster(path: Path) -> tuple[Student, ...]:
    """The students in a CSV file. Raises UsageError, with the columns that are known."""
    return tuple(student for student in students_in(read_table(path), path) if student is not None)


def students_in(lines: Sequence[Sequence[str]], path: Path) -> list[Student | None]:
    """By line after the first: the student; None where the line is no student's. Raises UsageError."""
    head = [name.strip().casefold() for name in lines[0]] if lines else []
    if not any(name in head for name in (*_ID, *_NAME)):
        raise UsageError(
            f"{path}: its first line names no column that is known: use id, name, email and section, or an export of "
            "Canvas's gradebook, Moodle's grading worksheet, Gradescope's or GitHub Classroom's roster"
        )
    found: list[Student | None] = []
    ids = set[str]()
    for number, line in enumerate(lines[1:], 2):
        student = _student(dict(zip(head, (clean(cell).strip() for cell in line), strict=False)))
        if student is not None and student.id in ids:
            raise UsageError(f"{path}:{number}: a second student with the id {student.id}: give each an id of its own")
        ids |= {student.id} if student is not None else set()
        found.append(student)
    if not ids:
        raise UsageError(f"{path} names no student")
    return found


def _delimiter(text: str) -> str:
    """A comma, or what a spreadsheet in another language writes."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _student(cells: dict[str, str]) -> Student | None:
    def first(names: Iterable[str]) -> str:
        return next((cells[name] for name in names if cells.get(name)), "")

    name = first(_NAME) or " ".join(filter(None, (first(("first name",)), first(("last name", "surname")))))
    if _NOBODY.match(name):
        return None
    keys = [cells[key] for key in _KEYS if cells.get(key)]
    keys += [match[1] for key in keys if (match := _PARTICIPANT.fullmatch(key))]
    identity = first(_ID)
    participant = _PARTICIPANT.fullmatch(identity)
    identity = participant[1] if participant else identity or name
    if not identity:
        return None
    email = first(_EMAIL)
    return Student(
        id=identity_of(identity),
        name=_in_order(name),
        email=email if "@" in email else "",
        section=first(_SECTION),
        keys=tuple(dict.fromkeys(key.casefold() for key in (identity, *keys))),
    )


def _in_order(name: str) -> str:
    """"Moreno, Ada" as "Ada Moreno"."""
    last, comma, rest = name.partition(",")
    return f"{rest.strip()} {last.strip()}" if comma else name


@dataclass(frozen=True)
class Claim:
    """By what a hand-in may be known as somebody's."""

    id: str
    keys: tuple[str, ...] = ()  # numbers and addresses of who handed it in
    names: tuple[str, ...] = ()
    contributors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Owners:
    """Whose a hand-in is."""

    handed_in: tuple[Student, ...]
    team: tuple[Student, ...]  # and further contributors


def owners(claims: Sequence[Claim], roster: Sequence[Student]) -> dict[str, Owners]:
    """By the id of each: whose it is. By numbers, addresses and user names, else by a name that only one student has.

    Whoever has a hand-in alone is of no other team.
    """
    by_key = _unique((key, student) for student in roster for key in student.keys)
    by_login = _unique((student.email.partition("@")[0].casefold(), student) for student in roster if student.email)
    by_name = _unique((form, student) for student in roster for form in _forms(student.name))
    handed_in: dict[str, tuple[Student, ...]] = {}
    for claim in claims:
        end = _NUMBERED.fullmatch(claim.id)
        keys = [claim.id, *claim.keys, *claim.id.split("+"), *((end["number"],) if end else ())]
        found = [student for key in keys if key and (student := by_key.get(key.casefold())) is not None]
        if not found:
            names = claim.names or (end["name"] if end else claim.id,)
            found = [student for name in names if (student := by_name.get(_letters(name))) is not None]
        handed_in[claim.id] = tuple(dict.fromkeys(found))
    taken = {student.id for students in handed_in.values() for student in students}
    result = {}
    for claim in claims:
        named = [_contributor(text, by_name, {**by_login, **by_key}) for text in claim.contributors]
        team = dict.fromkeys(student for student in named if student is not None and student.id not in taken)
        result[claim.id] = Owners(handed_in[claim.id], tuple(team))
    return result


def _contributor(text: str, by_name: Mapping[str, Student], by_key: Mapping[str, Student]) -> Student | None:
    """Whom a contributor's entry names: a name, a user name, or as the kit asks for it, "Name (user name)"."""
    both = _NAME_AND_LOGIN.fullmatch(text.strip())
    whole = by_name.get(_letters(text)) or by_key.get(text.strip().casefold())
    if whole is not None or both is None:
        return whole
    return by_key.get(both["login"].strip().casefold()) or by_name.get(_letters(both["name"]))


def match(found: Class, roster: Sequence[Student]) -> Matched:
    """A class beside its roster."""
    known = owners([_claim(one) for one in found.hand_ins], roster)
    members: dict[str, tuple[Student, ...]] = {}
    hand_ins: list[HandIn] = []
    for one in found.hand_ins:
        own = known[one.submission.id]
        identity = own.handed_in[0].id if len(own.handed_in) == 1 else one.submission.id
        if identity in members:  # a second hand-in of the same student
            identity = identity_of(one.submission.id, members)
        members[identity] = (*own.handed_in, *own.team)
        hand_ins.append(replace(one, submission=replace(one.submission, id=identity)))
    there = {student.id for students in members.values() for student in students}
    return Matched(
        found=Class(tuple(sorted(hand_ins, key=lambda h: h.submission.id)), found.skipped),
        members=members,
        missing=tuple(student for student in roster if student.id not in there),
        unknown=tuple(identity for identity, students in members.items() if not students),
    )


def _claim(one: HandIn) -> Claim:
    manifest, _ = read_manifest(one.submission.files)
    return Claim(
        id=one.submission.id,
        keys=tuple(key for person in one.people for key in (person.number, person.email)),
        names=tuple(person.name for person in one.people if person.name),
        contributors=manifest.contributors if manifest is not None else (),
    )


def handed_in_nothing(student: Student) -> HandIn:
    """The row of somebody who has handed in nothing."""
    what, fix = "nothing was handed in", "hand in scheduler.py, config.py, submission.json"
    problem = Violation(rule=Rule.FILES, file="scheduler.py", what=what, fix=fix)
    return HandIn(Submission(student.id, {}, (problem,)), "nowhere", Layout.FOLDERS)


def _unique(pairs: Iterable[tuple[str, Student]]) -> dict[str, Student]:
    """What names exactly one student."""
    found: dict[str, Student | None] = {}
    for key, student in pairs:
        if key:
            found[key] = student if found.get(key, student) == student else None
    return {key: student for key, student in found.items() if student is not None}


def _forms(name: str) -> set[str]:
    """As systems write it: "Ada Moreno", "Moreno, Ada", "morenoada"."""
    first, _, last = name.rpartition(" ")
    return {_letters(name), _letters(last + first)} - {""}


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", _in_order(name)).casefold()
    return "".join(c for c in plain if c.isalnum())

"""`submission.json` and the attribution."""

import codecs
import re
from typing import Any

from grader.core import strict_json
from grader.core.recipe import Frozen
from grader.core.text import clean
from grader.core.verdict import Rule, Violation

MAX_MANIFEST = 64 << 10
_MAX_TEXTS = 200  # contributors, or sources
#: What kits of this and of other courses hold in place of names and sources.
_PLACEHOLDER = re.compile(
    r"^\W*(todo\W*$|todo\b\W*[:(]|replace (this|me)\b|your sources?\W*$"
    r"|((enter|type|write|insert|add|put) )?(your|student'?s?) (full )?names?( here)?\W*$"
    r"|list (your|every) sources?\b(?!.*https?://)|include information about|(jane|john) doe\W*$"
    r"|name of (the )?(student|author)\W*$|first ?name last ?name\W*$)"
    r"|\bpennkey here\b|(^|//|www\.)example\.(com|org|net)\b(?!\.)|^<(?!https?:)[^>]*>$|^(x{3,}|\.{3}|…|[-*=]+)$",
    re.I,
)
_ADDRESS = re.compile(r"https?://|\bwww\.", re.I)
#: What is written by those who used nothing of others.
_NOTHING = re.compile(
    r"^\W*((none|nothing|nobody|no one|n/?a|nil|keine?|mine|myself|just me|only me)\b"
    r"|no (other |external |outside )?(sources?|help|references?|citations?)\b|((it is|this is|all|entirely) )?((my|our) )?own (work|code|ideas?|thoughts?|knowledge)\W*$"
    r"|((it is|this is|all|entirely) )?(my|our) own\W*$"
    r"|(i|we) (worked|did (it|this|everything)|wrote (it|this|everything)) (alone|myself|ourselves|on (my|our) own)\b"
    r"|(i|we) (used|consulted|cite) (none|nothing|nobody|no (other |external |outside )?(sources?|help))\b)",
    re.I,
)


class Manifest(Frozen):
    """`submission.json`, validated."""

    assignment_name: str
    contributors: tuple[str, ...]
    sources: tuple[str, ...]


def read_manifest(files: dict[str, bytes]) -> tuple[Manifest | None, list[Violation]]:
    """`submission.json` and the attribution, from a submission's files. The manifest is None if unusable."""
    name = "submission.json"
    if name not in files:
        return None, []  # reported as a missing file
    try:
        raw = strict_json.parse(files[name].removeprefix(codecs.BOM_UTF8), MAX_MANIFEST)
    except strict_json.JsonError as error:
        return None, [_manifest_problem(error.line, f"not valid JSON: {error}", "correct the JSON")]
    if not isinstance(raw, dict):
        return None, [_manifest_problem(1, "not a JSON object", "start from the submission.json of the assignment")]
    problems: list[Violation] = []
    text = files[name].decode("utf-8")

    def line_of(key: str) -> int | None:
        return next((n for n, at in enumerate(text.splitlines(), 1) if f'"{key}"' in at), None)

    def say(key: str, what: str, fix: str) -> None:
        problems.append(_manifest_problem(line_of(key), what, fix))

    def unnamed(key: str, what: str, fix: str) -> None:
        problems.append(Violation(rule=Rule.ATTRIBUTION, file=name, line=line_of(key), what=what, fix=fix))

    assignment = raw.get("assignment_name")
    if not isinstance(assignment, str) or not 0 < len(assignment.strip()) <= 200:
        say("assignment_name", "assignment_name is missing or not a text", "keep the assignment's name as it came")
        assignment = ""
    contributors = _texts(raw.get("contributors") or [])
    if contributors == []:
        unnamed("contributors", "contributors is missing or empty", 'write "contributors": ["Ada Lovelace"]')
    elif contributors is None:
        say("contributors", "contributors is not a list of names", 'write "contributors": ["Ada Lovelace"]')
    elif any(is_placeholder(c) for c in contributors):
        unnamed("contributors", "contributors still holds a placeholder", "write the names of everybody who worked on it")
    sources = _texts(raw.get("sources") or [])
    if sources is None:
        say("sources", "sources is not a list of texts", 'write "sources": ["https://…"]')
        return None, problems
    real = [s for s in sources if not is_placeholder(s)]
    attribution = files.get("ATTRIBUTION.md", b"").decode("utf-8", "replace")
    if not real and not own_lines(attribution):
        fix = 'cite what you used (people, pages, assistants); if you used nothing, write "none: my own work"'
        unnamed("sources", "no sources are given, here or in ATTRIBUTION.md", fix)
    if contributors is None:
        return None, problems
    return Manifest(assignment_name=clean(assignment.strip()), contributors=tuple(contributors), sources=tuple(sources)), problems


def _manifest_problem(line: int | None, what: str, fix: str) -> Violation:
    return Violation(rule=Rule.SUBMISSION_JSON, file="submission.json", line=line, what=what, fix=fix)


def _texts(value: Any) -> list[str] | None:
    """A list of non-empty texts from a text, a list, or objects with a `name`; None for anything else."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or len(value) > _MAX_TEXTS:
        return None
    result = []
    for item in value:
        if isinstance(item, dict):
            item = item.get("name") or item.get("url") or item.get("title")
        if not isinstance(item, str) or len(item) > 2000:
            return None
        if item.strip():
            result.append(clean(item.strip()))
    return result


def _without_comments(text: str) -> str:
    """`text` without HTML comments; one that never ends is none. Linear, unlike a search that starts at each `<!--`."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join(kept) + text[at:]


def own_lines(attribution: str) -> list[str]:
    """The lines of ATTRIBUTION.md that are neither empty, heading, comment nor placeholder."""
    lines = (line.strip() for line in _without_comments(attribution).splitlines())
    return [line for line in lines if line and not line.startswith("#") and not is_placeholder(line)]


def is_placeholder(text: str) -> bool:
    """Whether a text is what a kit holds in place of a name or a source."""
    return _PLACEHOLDER.search(text) is not None


def cites(text: str) -> bool:
    """Whether a text names a source: it is no placeholder, and does not say that there is none."""
    return not is_placeholder(text) and (_ADDRESS.search(text) is not None or _NOTHING.search(text) is None)

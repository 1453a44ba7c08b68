"""Migrates leaderboard files of earlier versions. `tests/leaderboard/boards` has one of each."""

import json
from typing import Any

from pydantic import ValidationError

from grader.leaderboard.models import SCHEMA_VERSION, Leaderboard


def read_text(text: bytes) -> Leaderboard:
    """The board in `text`, of this version or an earlier one. Raises ValueError with what is wrong."""
    try:
        return Leaderboard.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        complaint = f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
    try:
        raw = json.loads(text)
        if isinstance(raw, dict) and raw.get("schema_version") == 1:
            raw = _from_1(raw)
        if isinstance(raw, dict) and raw.get("schema_version") == 2:
            return Leaderboard.model_validate_json(json.dumps(_from_2(raw)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        complaint = str(error).splitlines()[0]
    raise ValueError(complaint)


def _from_1(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 2 names what graded each row, and calls the constant rate's accuracy the baseline."""
    hardware, versions = raw.pop("hardware"), raw.pop("versions")
    for name in ("version", "previous"):  # of the journal that lay beside the file
        raw.pop(name, None)
    raw["environment"] = {
        "device": hardware["device"],
        "processor": hardware["processor"],
        "cores": hardware["cores"],
        "python": versions["python"],
        "torch": versions["torch"],
        "torchvision": versions["torchvision"],
        "libraries": [],
        "trainer": versions["trainer"],
        "grader": versions["grader"],
        "commit": "",
    }
    for row in raw["rows"]:
        for grading in (row, *row.get("history", ())):
            for scores in (grading, *grading.get("seeds", ())):
                if "constant" in scores:
                    scores["baseline"] = scores.pop("constant")
    return {**raw, "schema_version": 2}


def _from_2(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 3 has a range of ranks in place of ties; it is made anew from the rows."""
    for row in raw["rows"]:
        row.pop("tie", None)
    return {**raw, "schema_version": SCHEMA_VERSION}

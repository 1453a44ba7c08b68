"""Strict JSON for untrusted input: bounded size, UTF-8, no duplicate keys, finite numbers only."""

import json
import math
from typing import Any, NoReturn


class JsonError(ValueError):
    """The bytes are not strict JSON; the message says why, and the line if known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def parse(data: bytes, max_bytes: int) -> Any:
    """The value in `data`. Raises JsonError unless it is strict JSON of at most `max_bytes`."""
    if len(data) > max_bytes:
        raise JsonError(f"longer than {max_bytes} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} (column {error.colno})", error.lineno) from None
    except RecursionError:
        raise JsonError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JsonError(f"the key {twice[:80]!r} stands twice")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"{text[:40]} is beyond the range of floats")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20:
        raise JsonError(f"a whole number of {len(text)} digits")
    return int(text)

"""A badge: as an SVG that needs no server, and as the JSON of shields.io's endpoint badge."""

import json

from markupsafe import escape

from grader.core.kind import Kind
from grader.publish.public_board import PublicBoard, PublicRow

NONE_YET = "none yet"
_LABEL = "best accuracy"
_GLYPH = 6.6  # pixels: about the width of a letter of 11 px Verdana
_GOOD, _NONE = "#116329", "#57606a"


def board_badge(best: str) -> str:
    """The best student's accuracy, as `best_of` and `message` say it."""
    return _svg(_LABEL, best)


def row_badge(row: PublicRow) -> str:
    """One submission's accuracy, or its verdict where it has none."""
    return _svg("accuracy", message(row))


def shields(best: str) -> str:
    """The same for shields.io's endpoint badge (https://shields.io/badges/endpoint-badge)."""
    color = "green" if best != NONE_YET else "lightgrey"
    return json.dumps({"schemaVersion": 1, "label": _LABEL, "message": best, "color": color}) + "\n"


def best_of(board: PublicBoard) -> str:
    """The badge's text for a board."""
    ranked = [r for r in board.rows if r.kind is Kind.STUDENT and r.rank is not None]
    best = max(ranked, key=lambda r: r.counting.accuracy or 0.0, default=None)
    return message(best) if best is not None else NONE_YET


def message(row: PublicRow) -> str:
    """The badge's text for one row."""
    accuracy = row.counting.accuracy
    return row.counting.verdict.value if accuracy is None else f"{100 * accuracy:.1f} %"


def _svg(label: str, message: str) -> str:
    left, right = (round(_GLYPH * len(text)) + 12 for text in (label, message))
    color = _GOOD if message.endswith("%") else _NONE
    text = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{text}">'
        f'<title>{text}</title><rect width="{left}" height="20" fill="#24292f"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{color}"/>'
        '<g fill="#fff" font-family="Verdana,Geneva,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(message)}</text></g></svg>\n'
    )

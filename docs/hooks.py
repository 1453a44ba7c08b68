"""Parts of the documentation that are generated: the keys of a task file, and the commands.

`<!-- include: SECURITY.md -->` becomes that file. `<!-- keys: Task -->` becomes a table of the model's fields in
`grader.core.task`, with the comments beside them as descriptions. `<!-- commands -->` becomes the reference of the
command line.
"""

import ast
import inspect
import io
import re
import tokenize
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from grader.cli.main import app
from grader.core import task

ROOT = Path(__file__).parents[1]
#: Tables of the file, which have a section of their own.
_SECTIONS = {"data", "sandbox", "leaderboard", "ranking", "points", "workload"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this with the text of every page."""
    markdown = re.sub(r"<!-- include: (\w+\.md) -->", lambda found: included(found[1]), markdown)
    markdown = re.sub(r"<!-- keys: (\w+) -->", lambda found: keys(getattr(task, found[1])), markdown)
    return re.sub("<!-- commands -->", lambda _: commands(), markdown)


def included(name: str) -> str:
    """A file of the repository's root, with its links as they are from here."""
    text = re.sub(r"\]\(docs/", "](", (ROOT / name).read_text(encoding="utf-8"))
    return re.sub(r"\]\(([A-Z]+\.md)", lambda link: f"]({link[1].lower()}", text)


def keys(model: type[BaseModel]) -> str:
    """A table of the keys that the task file's table `model` has. Raises KeyError for a field without a comment."""
    comments = _comments(model.__module__)
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if field.exclude or name in _SECTIONS:
            continue
        owner = next(kind for kind in model.__mro__ if name in vars(kind).get("__annotations__", {}))
        meaning = comments[owner.__name__, name] + _choices(field, comments)
        default = "required" if field.is_required() else f"`{_shown(field.default)}`"
        lines.append(f"| `{name}` | {_value(field)} | {default} | {meaning} |")
    return "\n".join(lines)


@cache
def _comments(module: str) -> dict[tuple[str, str], str]:
    """The comment on each field's and member's own line, by class and name."""
    source = inspect.getsource(__import__(module, fromlist=["_"]))
    by_line: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            by_line[token.start[0]] = token.string.lstrip("# ").strip()
    found = {}
    for kind in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        for node in kind.body:
            if isinstance(node, (ast.AnnAssign, ast.Assign)):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                texts = [by_line[line] for line in range(node.lineno, (node.end_lineno or 0) + 1) if line in by_line]
                if isinstance(target, ast.Name) and texts:
                    found[kind.name, target.id] = " ".join(texts)
    return found


def _choices(field: FieldInfo, comments: dict[tuple[str, str], str]) -> str:
    """The members of an enumeration with what they mean."""
    kind = field.annotation
    if not (inspect.isclass(kind) and issubclass(kind, StrEnum)):
        return ""
    texts = [(member.value, comments.get((kind.__name__, member.name), "")) for member in kind]
    return ". " + "; ".join(f'`"{value}"`' + (f": {text}" if text else "") for value, text in texts)


def _value(field: FieldInfo) -> str:
    kind = field.annotation
    simple = {str: "string", bool: "true or false", int: "integer", float: "number"}
    named = next((name for one, name in simple.items() if kind is one or one in get_args(kind)), "")
    if inspect.isclass(kind) and issubclass(kind, StrEnum):
        named = "string"
    elif str(kind).startswith("tuple"):
        named = "list of integers"
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([named or "table", *bounds])


def _shown(value: Any) -> str:
    """A default as TOML writes it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case float():
            return f"{value:g}"
    return str(value)


def commands() -> str:
    """A section for each command, with its arguments and options."""
    root = typer.main.get_command(app)
    parts = []
    for name, command in vars(root)["commands"].items():
        arguments = " ".join(map(_argument, filter(_is_argument, command.params)))
        usage = " ".join(filter(None, ["grader", name, arguments, "[OPTIONS]"]))
        parts.append(f"## grader {name}\n\n{command.help}\n\n```text\n{usage}\n```\n")
        rows = [_row(parameter) for parameter in command.params]
        if rows:
            parts.append("\n".join(["| argument or option | default | meaning |", "| --- | --- | --- |", *rows]) + "\n")
    return "\n".join(parts)


def _is_argument(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "argument"


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _row(parameter: Any) -> str:
    given = parameter.default() if callable(parameter.default) else parameter.default
    default = "" if given in (None, False, "", ()) else f"`{given}`"
    name = _argument(parameter).strip("[]") if _is_argument(parameter) else "`, `".join(parameter.opts)
    return f"| `{name}` | {default} | {parameter.help or ''} |"

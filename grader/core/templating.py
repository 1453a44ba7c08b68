"""HTML from templates: every value is escaped, and an undefined variable is an error."""

from pathlib import Path
from typing import Any


def environment(folder: Path, *, trim_blocks: bool = False) -> Any:
    """A Jinja environment for the templates in `folder`; `trim_blocks` drops the line break after a tag."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(folder)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=trim_blocks)

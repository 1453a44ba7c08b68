"""`grader init`: the assignment as files."""

from pathlib import Path

from grader.core.errors import SetupError, UsageError

_KIT = Path(__file__).parents[1] / "scaffold"


def write_kit(folder: Path) -> list[Path]:
    """Copy the kit into `folder`; nothing is ever overwritten. Raises UsageError where a file is in the way."""
    files = sorted(path for path in _KIT.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    targets = [folder / path.relative_to(_KIT).with_name(path.name.removesuffix(".txt")) for path in files]
    in_the_way = [str(target) for target in targets if target.exists() or target.is_symlink()]
    if in_the_way or (folder.exists() and not folder.is_dir()):
        named = ", ".join(in_the_way) or str(folder)
        raise UsageError(f"nothing was written, since it exists already: {named}. Name a new folder")
    try:
        for source, target in zip(files, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise SetupError(f"{folder} cannot be written: {error.strerror}") from None
    return targets


def kit_file(name: str) -> str:
    """What everybody was given under that name."""
    return (_KIT / name).read_text(encoding="utf-8")

"""`grader init`: the assignment as files."""

import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from grader.core.errors import SetupError, UsageError
from grader.core.extras import DISTRIBUTION, Extra, wheel_name

_KIT = Path(__file__).parents[1] / "scaffold"
#: Where the kit's texts say how grader is installed: in its README and in its workflow.
_INSTALL = "<!-- install -->"
_INSTALL_STEP = "      # install\n"
_WHEEL = re.compile(re.escape(wheel_name("VERSION")).replace("VERSION", "[A-Za-z0-9_.+]+"))
#: An address that names one version for ever: a commit, or a wheel with its hash. There is no password in it, and no
#: character that has a meaning to a shell or to YAML.
_COMMIT = re.compile(r"git\+(https://|ssh://git@)[A-Za-z0-9_./:~%+-]+@[0-9a-f]{40}")
_ADDRESS = re.compile(rf"https://[A-Za-z0-9_./:~%+-]+/{_WHEEL.pattern}#sha256=[0-9a-f]{{64}}")


@dataclass(frozen=True)
class InstallSource:
    """Where the students of a course get grader: a wheel that lies in the kit, or a pinned address."""

    address: str  # as pip reads it, without an extra
    wheel: Path | None = None  # the file to copy into the kit

    @classmethod
    def of(cls, text: str) -> "InstallSource":
        """Read `--install-from`. Raises UsageError unless it is a wheel of grader or an address of one version."""
        if _COMMIT.fullmatch(text) or _ADDRESS.fullmatch(text):
            return cls(text)
        path = Path(text)
        if _WHEEL.fullmatch(path.name) and "://" not in text:
            if not os.path.isfile(path):
                raise UsageError(f"--install-from {text}: there is no such file")
            if not zipfile.is_zipfile(path):
                raise UsageError(f"--install-from {text}: this is no wheel, or a damaged one: build it again")
            return cls(f"./{path.name}", path)
        raise UsageError(
            f"--install-from {text}: give a wheel of grader ({wheel_name()}, from python -m build), its address as "
            "https://…#sha256=HASH, or git+https://HOST/REPOSITORY@COMMIT with all 40 digits of the commit, without a "
            "password in it"
        )

    def requirement(self, extra: Extra | None = None) -> str:
        """What follows `pip install`, quoted for a shell."""
        named = f"[{extra}]" if extra else ""
        return f'"{self.address}{named}"' if self.wheel else f'"{DISTRIBUTION}{named} @ {self.address}"'


def write_kit(folder: Path, source: InstallSource | None = None) -> list[Path]:
    """Copy the kit into `folder`; nothing is ever overwritten. Raises UsageError if a file is in the way.

    `source` is written into the kit's README and workflow; without one the README says to ask the course, and the
    workflow stops with that line.
    """
    files = sorted(path for path in _KIT.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    targets = [folder / path.relative_to(_KIT).with_name(path.name.removesuffix(".txt")) for path in files]
    wheel = folder / source.wheel.name if source is not None and source.wheel is not None else None
    written = [*targets, *([wheel] if wheel else [])]
    in_the_way = [str(path) for path in written if path.exists() or path.is_symlink()]
    between = {parent for path in written for parent in path.parents if folder in parent.parents}
    in_the_way += sorted(str(parent) for parent in between if parent.is_symlink())
    if in_the_way or (folder.exists() and not folder.is_dir()):
        named = ", ".join(in_the_way) or str(folder)
        raise UsageError(f"nothing was written, since it exists already: {named}. Name a new folder")
    try:
        for path, target in zip(files, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_with_source(path.read_text(encoding="utf-8"), source), encoding="utf-8", newline="\n")
        if source is not None and source.wheel is not None and wheel is not None:
            shutil.copyfile(source.wheel, wheel)
            targets.append(wheel)
    except OSError as error:
        raise SetupError(f"{folder} cannot be written: {error.strerror}") from None
    return targets


def _with_source(text: str, source: InstallSource | None) -> str:
    if source is None:
        readme = (
            "Your course says where to get `grader`. Do not run `pip install grader`: on the public index that name "
            "belongs\nto another project."
        )
        step = (
            "      - run: |\n"
            '          echo "::error::this kit does not say where to install grader from: ask your course"\n'
            "          exit 1\n"
        )
    else:
        readme = (
            "Python 3.11 or later is needed. In this folder:\n\n```sh\npython3 -m venv .venv\n. .venv/bin/activate\n"
            f"pip install {source.requirement(Extra.TRAIN)}\n```\n\n"
            f"Without `[{Extra.TRAIN}]` it is smaller, and enough for `grader check`."
        )
        step = f"      - run: pip install {source.requirement()}\n"
    return text.replace(_INSTALL, readme).replace(_INSTALL_STEP, step)


def kit_file(name: str) -> str:
    """The kit's file of that name."""
    return (_KIT / name).read_text(encoding="utf-8")

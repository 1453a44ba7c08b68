"""A machine without this checkout: the built wheel in an environment that holds just what its metadata asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from support.submissions import ROOT


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, as `python -m build` makes it."""
    call = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def needed(name: str, extra: str = "") -> set[str]:
    """The distributions that installing `name[extra]` brings, itself included, by the metadata of what is installed."""
    found: set[tuple[str, str]] = set()
    queue = [(name, extra)]
    while queue:
        one = queue.pop()
        if one in found:
            continue
        found.add(one)
        try:
            lines = metadata.requires(one[0]) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": one[1]}):
                queue += [(requirement.name, ""), *((requirement.name, inner) for inner in requirement.extras)]
    return {name for name, _ in found}


def _link(source: Path, target: Path) -> None:
    """The same files at another place, since the sandbox lets nothing be read outside of the environment."""

    def same(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:  # another file system
            shutil.copy2(one, other)

    if source.is_dir():
        shutil.copytree(source, target, copy_function=same, ignore=shutil.ignore_patterns("include", "test", "tests"))
    else:
        same(str(source), str(target))


def environment(folder: Path, wheel: Path, extra: str = "") -> Path:
    """A virtual environment with the wheel and its dependencies, which share this environment's files; its `bin`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    for name in needed("lr-scheduler-grader", extra) - {"lr-scheduler-grader"}:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            source = Path(str(metadata.distribution(name).locate_file(top)))
            if source.exists() and not (site / top).exists():
                _link(source, site / top)
    python = folder / "bin/python"
    call = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bin"


def outside(binaries: Path, **more: str) -> dict[str, str]:
    """The variables of a shell in which that environment is active, and nothing leads to this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}
    return {**kept, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(binaries.parent), **more}

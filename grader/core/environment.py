"""The device and the software of a grading: a part of every cache key and of every row."""

import hashlib
import json
import os
import platform
import subprocess
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

from grader import __version__
from grader.core.extras import DISTRIBUTION
from grader.core.recipe import Frozen, canonical
from grader.core.source_hash import source_hash

#: Besides torch and torchvision, what decides the bits of a training.
_LIBRARIES = ("kornia", "numpy", "pillow")
#: The modules of grader that decide the bits of a training.
_TRAINER = ("training", "core/recipe.py")


class Environment(Frozen):
    """The device and the software of a grading."""

    device: str  # kind of device (`grader.training.device`): scores of different kinds are not compared
    processor: str
    cores: int
    python: str  # version
    torch: str
    torchvision: str
    libraries: tuple[str, ...]  # further packages that decide the bits of a training, with their versions
    trainer: str  # hash of the trainer's sources
    grader: str  # version
    commit: str  # of grader's sources, "+changes" where they were changed since; empty if it is not known

    @cached_property
    def key(self) -> str:
        """Twelve hexadecimal digits: equal environments have equal keys."""
        return hashlib.sha256(canonical(self.model_dump(mode="json")).encode()).hexdigest()[:12]

    @property
    def deciding(self) -> dict[str, object]:
        """What of it decides the bits of a training."""
        return self.model_dump(
            mode="json", include={"device", "python", "torch", "torchvision", "libraries", "trainer"}
        )


def is_kind(kind: str, wanted: str) -> bool:
    """Whether a kind of device is the `wanted` one, which may be named without its versions ("cpu", a GPU's model)."""
    return kind == wanted or kind.startswith(f"{wanted} (")


def environment_of(device: str, torch: str, torchvision: str) -> Environment:
    """The environment of this process, which trains on that kind of device with those versions."""
    return Environment(
        device=device,
        processor=platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        torch=torch,
        torchvision=torchvision,
        libraries=libraries(),
        trainer=source_hash(*_TRAINER),
        grader=__version__,
        commit=commit(),
    )


def libraries() -> tuple[str, ...]:
    """The packages besides torch that decide the bits of a training, with their versions."""
    return tuple(f"{name} {metadata.version(name)}" for name in _LIBRARIES)


def software() -> str:
    """Everything on this machine that decides what a training gives, but for the device: nodes of a cluster agree."""
    torch = tuple(f"{name} {metadata.version(name)}" for name in ("torch", "torchvision"))
    trainer = f"trainer {source_hash(*_TRAINER)[:12]}"
    return ", ".join((f"grader {__version__}", trainer, f"Python {platform.python_version()}", *torch, *libraries()))


@cache
def commit() -> str:
    """The commit of grader's sources: of the checkout they lie in, or the one that pip installed; else empty."""
    package = Path(__file__).parents[1]
    if (package.parent / ".git").exists():
        head = _git(package.parent, "rev-parse", "HEAD")
        changed = _git(package.parent, "status", "--porcelain", "--", str(package))
        return f"{head}+changes" if head and changed else head
    try:  # PEP 610
        direct = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
        return str(direct.get("vcs_info", {}).get("commit_id", ""))
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

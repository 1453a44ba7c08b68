"""The sandbox image: built from our Dockerfile on first use, found again by what it is made of."""

import contextlib
import hashlib
import importlib.metadata
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors

from grader.core.errors import SetupError
from grader.sandbox.base import Say


class ImageError(SetupError):
    """The engine answers, and the image cannot be built: without a registry, or without a package index."""


_INSIDE = Path(__file__).parent / "inside"


def _dockerfile() -> Path:
    """In a checkout at the top; in an installed package beside this module."""
    for path in (Path(__file__).parents[2] / "Dockerfile", Path(__file__).parent / "Dockerfile"):
        if path.is_file():
            return path
    raise SetupError("the Dockerfile is missing from this installation: install grader again")


def _build_arguments() -> dict[str, str]:
    """The trainer's torch, so that sandbox and trainer agree; base image and index from the environment."""
    arguments = {
        name.upper(): f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in ("torch", "torchvision")
    }
    for argument in ("BASE_IMAGE", "INDEX_URL"):
        value = os.environ.get(f"GRADER_{argument}")
        if value is not None:
            arguments[argument] = value
    return arguments


def _context() -> dict[str, bytes]:
    files = {"Dockerfile": _dockerfile().read_bytes()}
    for path in sorted(_INSIDE.glob("*.py")):
        files[f"grader/sandbox/inside/{path.name}"] = path.read_bytes()
    return files


def image_tag() -> str:
    """The name that the image of this installation has, built or not."""
    return _tag(_context(), _build_arguments())


def _tag(files: dict[str, bytes], arguments: dict[str, str]) -> str:
    digest = hashlib.sha256(repr((sorted(files.items()), sorted(arguments.items()))).encode()).hexdigest()[:16]
    return f"grader-sandbox:{digest}"


def ensure_image(client: Any, say: Say) -> str:
    """The id of the image for this installation; built, with progress through `say`, where it is missing."""
    files, arguments = _context(), _build_arguments()
    tag = _tag(files, arguments)
    with contextlib.suppress(docker.errors.ImageNotFound):
        return str(client.images.get(tag).id)
    say("building the sandbox image (once; minutes: it downloads torch)")
    tail: list[str] = []
    for line in _build(client, files, arguments, tag):
        tail.append(line)
        if line.startswith("Step "):
            say(line)
    try:
        return str(client.images.get(tag).id)
    except docker.errors.ImageNotFound:
        end = "\n".join(tail[-15:])
        raise ImageError(
            f"the sandbox image could not be built:\n{end}\nA base image or package index of your own can be named "
            "with GRADER_BASE_IMAGE and GRADER_INDEX_URL; without a network, use --sandbox sandlock"
        ) from None


def _build(client: Any, files: dict[str, bytes], arguments: dict[str, str], tag: str) -> Iterator[str]:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(data))
    context.seek(0)
    builder = docker.APIClient(**docker.utils.kwargs_from_env(), timeout=3600)
    with contextlib.closing(builder):
        for event in builder.build(
            fileobj=context, custom_context=True, tag=tag, buildargs=arguments, rm=True, forcerm=True, decode=True
        ):
            text = str(event.get("stream") or event.get("error") or event.get("status") or "")
            yield from (line for line in text.splitlines() if line.strip())

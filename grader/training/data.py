"""Images and labels as tensors, loaded once per process.

A data set is uint8 images (N, H, W, 3 or 1) with int64 labels, in memory and, where decoding took
long, memory-mapped from a cache that all processes share.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from grader.core.errors import TaskError
from grader.core.extras import Extra, how_to_install
from grader.core.files import open_ordinary
from grader.core.task import DataSource, Task
from grader.training.splits import Bytes, Split
from grader.training.variation import varied

_DIGITS = Path(__file__).with_name("digits.npz")
_IMAGE_FILES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


@dataclass(frozen=True)
class ImageData:
    """A task's data. `hash` is over every byte of it."""

    train: Split
    test: Split
    classes: int
    hash: str


def load(task: Task) -> ImageData:
    """The data of a task. Raises TaskError with what is missing and where."""
    match task.data.source:
        case DataSource.DIGITS:
            train, test = _digits(task)
        case DataSource.TORCHVISION:
            train, test = _torchvision(task)
        case DataSource.FOLDER:
            train, test = _folder(task)
    if not len(train) or not len(test):
        raise TaskError(f"task {task.name}: the data has {len(train)} training and {len(test)} held-out images")
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    train, test = varied(train, test, classes, task.data)
    digest = hashlib.sha256()
    for part in (train.images, train.labels, test.images, test.labels):
        digest.update(repr(part.shape).encode())
        digest.update(np.ascontiguousarray(part).data)
    return ImageData(train, test, classes, digest.hexdigest())


def _fit(images: Bytes, task: Task) -> Bytes:
    """Images as the task wants them: (N, H, W) or (N, H, W, C) of any size to (N, height, width, channels)."""
    from PIL import Image

    channels, height, width = task.image
    mode = "RGB" if channels == 3 else "L"
    if images.shape[1:] == (height, width, 3) and channels == 3:
        return images
    fitted = np.empty((len(images), height, width, channels), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image).convert(mode)
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        fitted[index] = np.asarray(picture).reshape(height, width, channels)
    return fitted


def _digits(task: Task) -> tuple[Split, Split]:
    """The embedded digits (8x8, 0 to 16), split 4:1 by a fixed shuffle.

    They are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998; UCI Machine
    Learning Repository, CC BY 4.0), as scikit-learn has it.
    """
    with np.load(_DIGITS, allow_pickle=False) as arrays:
        grey, labels = arrays["images"], arrays["labels"]
    images = (grey * (255 / 16)).round().astype(np.uint8)
    order = np.random.default_rng(20240219).permutation(len(labels))
    images, labels = _fit(images[order], task), labels[order].astype(np.int64)
    held_out = len(labels) // 5
    return Split(images[held_out:], labels[held_out:]), Split(images[:held_out], labels[:held_out])


def _torchvision(task: Task) -> tuple[Split, Split]:
    import torchvision.datasets

    kind = getattr(torchvision.datasets, task.data.name, None)
    if kind is None:
        raise TaskError(f"task {task.name}: torchvision.datasets has no {task.data.name}")
    root = (task.folder / task.data.path).resolve() if task.data.path else cache_folder() / "torchvision"
    parts = []
    for train in (True, False):
        try:
            part = kind(root=str(root), train=train, download=True)
        except Exception as error:
            raise TaskError(
                f"task {task.name}: {task.data.name} could not be loaded or downloaded to {root}: {error}. "
                "Put its files there, or write a task with an image folder (see docs/task-file.md)"
            ) from error
        images = part.data.numpy() if isinstance(part.data, torch.Tensor) else np.asarray(part.data)
        parts.append(Split(_fit(images.astype(np.uint8), task), np.asarray(part.targets, np.int64)))
    return parts[0], parts[1]


def _fetched(task: Task) -> Path:
    """The local copy of an image folder that has an address (`s3://…`, `gs://…`): fetched once per machine.

    Kept by the list of its files with their sizes and times, so a changed data set is fetched again.
    """
    try:
        import fsspec
    except ImportError:
        raise TaskError(f"task {task.name}: {task.data.path} needs fsspec: {how_to_install(Extra.RAY)}") from None
    try:
        system, root = fsspec.core.url_to_fs(task.data.path)
        listing = {path: _version_of(facts) for path, facts in system.find(root, detail=True).items()}
        if not listing:
            raise TaskError(f"task {task.name}: there are no files at {task.data.path}")
        key = hashlib.sha256(repr((task.data.path, sorted(listing.items()))).encode()).hexdigest()[:32]
        copy = cache_folder() / "fetched" / key
        copy.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(copy.with_suffix(".lock")):
            if not copy.is_dir():
                partial = copy.with_suffix(".partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                for path in listing:
                    target = partial / PurePosixPath(path).relative_to(root)
                    if ".." in target.parts:
                        raise TaskError(f"task {task.name}: {task.data.path} has a path that leads outside: {path}")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    system.get_file(path, str(target))
                partial.rename(copy)
        return copy
    except TaskError:
        raise
    except Exception as error:  # every file system has errors of its own
        problem = f"{type(error).__name__}: {error}"
        raise TaskError(f"task {task.name}: {task.data.path} could not be fetched: {problem}") from error


def _version_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """What tells one version of a remote file from the next."""
    return tuple(str(facts.get(name)) for name in ("size", "mtime", "ETag", "LastModified", "etag", "updated"))


def _folder(task: Task) -> tuple[Split, Split]:
    root = _fetched(task) if "://" in task.data.path else (task.folder / task.data.path).resolve()
    for part in ("train", "test"):
        if not (root / part).is_dir():
            raise TaskError(f"task {task.name}: {root / part} is missing: the image folder needs train/ and test/")
    names = [sorted(p.name for p in (root / part).iterdir() if p.is_dir()) for part in ("train", "test")]
    if names[0] != names[1]:
        odd = ", ".join(sorted(set(names[0]) ^ set(names[1])))
        raise TaskError(f"task {task.name}: train/ and test/ in {root} have different class folders: {odd}")
    if len(names[0]) < 2:
        raise TaskError(f"task {task.name}: {root / 'train'} has {len(names[0])} class folder(s); two are the least")
    return _folder_part(root / "train", names[0], task), _folder_part(root / "test", names[0], task)


def _folder_part(root: Path, classes: list[str], task: Task) -> Split:
    """Decoded once and kept in the cache, keyed by every file's path, size and time."""
    from PIL import Image

    listed = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((root / name).iterdir())
        if path.suffix.lower() in _IMAGE_FILES
    ]
    empty = sorted(set(classes) - {path.parent.name for path, _ in listed})
    if empty:
        raise TaskError(f"task {task.name}: no images ({', '.join(_IMAGE_FILES)}) in {root / empty[0]}")
    digest = hashlib.sha256(repr(task.image).encode())
    for path, label in listed:
        try:
            facts = path.stat()
        except OSError as error:
            raise TaskError(f"task {task.name}: {path} is not a readable image: {error.strerror}") from None
        digest.update(f"{path}\0{label}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    cached = cache_folder() / "folders" / f"{digest.hexdigest()[:32]}.npy"
    labels = np.array([label for _, label in listed], np.int64)
    cached.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cached.with_suffix(".lock")):  # of all processes on this machine one decodes
        if not cached.is_file():
            channels, height, width = task.image
            images = np.empty((len(listed), height, width, channels), np.uint8)
            for index, (path, _) in enumerate(listed):
                try:
                    with open_ordinary(path) as stream, Image.open(stream) as picture:
                        pixels = np.asarray(picture.convert("RGB"))
                except OSError as error:
                    raise TaskError(f"task {task.name}: {path} is not a readable image: {error}") from None
                images[index] = _fit(pixels[None], task)[0]
            partial = cached.with_suffix(f".{os.getpid()}.partial.npy")
            np.save(partial, images)
            os.replace(partial, cached)
    return Split(np.load(cached, mmap_mode="c"), labels)


def cache_folder() -> Path:
    """Where decoded and downloaded data is kept: GRADER_CACHE, or the user's cache folder."""
    chosen = os.environ.get("GRADER_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "grader"

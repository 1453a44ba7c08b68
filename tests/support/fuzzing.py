"""Coverage-guided fuzzing of everything on the host that reads what a sandbox or a student wrote.

    python tests/support/fuzzing.py TARGET [CORPUS] [-runs=N …]     libFuzzer's options; a failure leaves `crash-…`

No input may raise anything but the reader's own error, hang, or need more than bounded memory.
`tests/sandbox/test_fuzzing.py` runs every target for a while, from a corpus of real documents and archives.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["grader", "json", "tarfile", "zipfile", "gzip"]):
    from grader.core import task_file as tasks
    from grader.core.recipe import Recipe
    from grader.core.task import ParameterFact, TaskFacts
    from grader.sandbox.docker import _Stdout
    from grader.sandbox.document import BrokenDocument, read_document
    from grader.sandbox.envelope import BrokenEnvelope, receive
    from grader.sandbox.inside.supervisor import Limits
    from grader.submissions.intake import discover
    from grader.submissions.manifest import read_manifest
    from grader.submissions.tree import FILES

NONCE = "0123456789abcdef" * 2
TASK = tasks.load(str(Path(__file__).parents[1] / "fixtures/tasks/lenet.toml"))
LIMITS = Limits(seconds=1, memory_mb=512, threads=8, output=1 << 20, document=1 << 20)
_FOLDER = Path(tempfile.mkdtemp(prefix="fuzzing-"))


_LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")  # of the embedded task's model: its documents are documents here
FACTS = TaskFacts(
    n_train=1438,
    n_test=359,
    classes=10,
    image=(3, 32, 32),
    parameters=tuple(
        ParameterFact(name=f"{layer}.{part}", shape=(1,)) for layer in _LAYERS for part in ("weight", "bias")
    ),
    data_hash="",
    model_hash="",
)


def document(data: bytes) -> None:
    """What a probe wrote."""
    try:
        found = read_document(data, TASK, FACTS)
    except BrokenDocument:
        return
    assert found.recipe is not None or found.violations or found.memory
    if found.recipe is not None:
        assert not found.violations
        assert Recipe.model_validate_json(found.recipe.model_dump_json()) == found.recipe
    assert all(str(violation).isprintable() for violation in found.violations)


def manifest(data: bytes) -> None:
    """submission.json and ATTRIBUTION.md."""
    first, _, second = data.partition(b"\0\0")
    found, problems = read_manifest({"submission.json": first, "ATTRIBUTION.md": second})
    assert found is not None or problems
    assert all(str(problem).isprintable() for problem in problems)


def envelope(data: bytes) -> None:
    """What a supervisor wrote."""
    try:
        found = receive(io.BytesIO(data), NONCE, LIMITS)
    except BrokenEnvelope:
        return
    assert len(found.document) <= LIMITS.document + (1 << 17)


def frames(data: bytes) -> None:
    """What the Docker engine passes on from a container."""

    class Socket:
        stream = io.BytesIO(data)

        def recv(self, size: int) -> bytes:
            return self.stream.read(size)

    try:
        receive(io.BufferedReader(_Stdout(Socket())), NONCE, LIMITS)  # type: ignore[arg-type]
    except BrokenEnvelope:
        return


def archive(data: bytes) -> None:
    """What a student packed; the first byte chooses the suffix."""
    suffix = ".zip" if data[:1] < b"\x80" else ".tar.gz"
    path = _FOLDER / f"student{suffix}"
    path.write_bytes(data[1:])
    try:
        submissions = discover(_FOLDER).submissions
    finally:
        path.unlink()
    assert submissions, "an archive is a hand-in, or the class"
    for found in submissions:
        assert set(found.files) <= set(FILES)
        assert len(found.files) >= 3 or found.problems
        assert all(str(problem).isprintable() for problem in found.problems)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (document, manifest, envelope, frames, archive)
}


def main() -> None:
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: target(data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Every target of `fuzzing.py`, guided by coverage, from a corpus of what submissions really send."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from grader.core.task import Task, TaskFacts
from grader.sandbox.base import job_of, limits_of
from grader.sandbox.envelope import BrokenEnvelope, receive
from grader.sandbox.inside.supervisor import Envelope, Limits, write_envelope
from grader.sandbox.sandlock import SandlockSandbox
from support.submissions import CONFIG, ROOT, Compile, load, make

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info >= (3, 14), reason="atheris has wheels for Linux up to Python 3.13"
)
NONCE = "0123456789abcdef" * 2
RUNS = {"document": 60_000, "manifest": 100_000, "envelope": 60_000, "frames": 60_000, "archive": 30_000}
ADAMW = "AdamW([{'params': p, 'lr': 0.01 * n} for n, p in enumerate(model.parameters())], betas=(0.8, 0.9))"


@pytest.fixture(scope="module")
def documents(sandlock: SandlockSandbox, task: Task, facts: TaskFacts) -> list[bytes]:
    """What the probe says of a plain submission, of one with many groups, of broken ones."""
    groups = CONFIG.replace("SGD(model.parameters(), lr=0.05, momentum=0.9)", ADAMW)
    folders = [ROOT / "tests/fixtures/submissions" / name for name in ("contract/lambda-transform", "ok/betas-move")]
    submissions = [make(), make(config=groups), *map(load, folders)]
    found = [sandlock.run(job_of(s, task, facts), limits_of(task, 300)).document for s in submissions]
    assert all(len(document) > 100 for document in found)
    return found


def corpus(target: str, documents: list[bytes], folder: Path) -> list[bytes]:
    if target == "document":
        return documents
    if target == "manifest":
        return [make().files["submission.json"] + b"\0\0# Attribution\n\n- the lecture\n"]
    if target == "archive":
        from support.hostile import CRAFTED

        (folder / "made").mkdir()
        for name, _, _, craft in CRAFTED:
            if name.startswith(("tar-", "zip-")) and "bomb" not in name:
                craft(folder / "made", name, {"SECRET": "/etc/passwd"})
        return [(b"\0" if p.suffix == ".zip" else b"\xff") + p.read_bytes() for p in (folder / "made").iterdir()]
    envelopes = []
    for document in documents:
        stream = (folder / "envelope").open("w+b")
        write_envelope(stream, Envelope("exited", 0, None, 0.5, document[:2000], b"printed"), NONCE)
        stream.seek(0)
        data = stream.read()
        envelopes.append(data if target == "envelope" else b"\1\0\0\0" + len(data).to_bytes(4, "big") + data)
    return envelopes


@pytest.mark.parametrize("target", RUNS)
def test_no_input_does_more_than_be_refused(target: str, documents: list[bytes], tmp_path: Path) -> None:
    seeds = tmp_path / "corpus"
    seeds.mkdir()
    for n, data in enumerate(corpus(target, documents, tmp_path)):
        (seeds / str(n)).write_bytes(data)
    given = len(list(seeds.iterdir()))
    limits = ["-rss_limit_mb=1500", "-timeout=10", "-max_len=20000", "-seed=1", f"-runs={RUNS[target]}"]
    # By way of a shell: the kernel counts what a process had in memory before it became another program, and a child of
    # these tests would start with all that they hold.
    shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    call = [*shell, sys.executable, str(ROOT / "tests/support/fuzzing.py"), target, str(seeds), *limits]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    assert "Done " in done.stderr + done.stdout
    assert len(list(seeds.iterdir())) > given  # what it found on its way: it was guided


def test_the_fuzzer_finds_a_planted_fault(tmp_path: Path) -> None:
    """A reader that is wrong in one place, deep inside: found, or the tests above prove nothing."""
    planted = tmp_path / "planted.py"
    planted.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\nfrom support import fuzzing\n"
        "from grader.core import strict_json\n"
        "def bounded(text):\n    if len(text) > 3: raise KeyError('planted')\n    return int(text)\n"
        "strict_json._bounded = bounded\nfuzzing.main()\n"
    )
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/0").write_bytes(make().files["submission.json"])
    call = [sys.executable, str(planted), "manifest", "corpus", "-runs=300000", "-seed=1"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "planted" in done.stdout + done.stderr


def test_documents_are_read_in_bounded_memory_and_time(compiled: Compile, task: Task, facts: TaskFacts) -> None:
    """The worst that fits into the cap: refused within a child that may use 1 GiB."""
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
sys.path.insert(0, {str(ROOT / "tests")!r})
from grader.core import task_file as tasks
from grader.sandbox.document import BrokenDocument, read_document
from grader.core.task import TaskFacts
task = tasks.load("digits")
facts = TaskFacts(n_train=1438, n_test=359, classes=10, image=(3, 32, 32), parameters=(), data_hash="", model_hash="")
cap = task.sandbox.document_kb << 10
for unit, close in ((b"[", b""), (b"[],", b"]"), (b'{{"a":', b""), (b"1e9,", b"]"), (b'"\\\\u0000",', b"]")):
    data = (b'{{"protocol": 1, "memory": false, "violations": [' + unit * (cap // len(unit)))[:cap]
    try:
        read_document(data, task, facts)
    except BrokenDocument:
        print("refused", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.count("refused") == 5, done.stderr[-2000:]


@pytest.mark.parametrize("size", ["1e743", "-1", "1e9", "[]", '"x"', "null", "[" * 3000 + "]" * 900])
def test_an_envelope_whose_sizes_are_none_is_refused(size: str) -> None:
    header = f'{{"nonce": "{NONCE}", "ending": "exited", "exit_code": 0, "signal": null, "seconds": 1, "output": 0'
    limits = Limits(seconds=1, memory_mb=512, threads=8, output=1 << 20, document=1 << 20)
    with pytest.raises(BrokenEnvelope):
        receive(io.BytesIO(f'{header}, "document": {size}}}\n'.encode()), NONCE, limits)

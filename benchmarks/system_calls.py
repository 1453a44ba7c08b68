"""Which system calls honest submissions make in the sandbox, and which of them the list refuses.

    python benchmarks/system_calls.py [FOLDER ...]

Compiles every submission of `submissions/`, every reference and every folder of submissions that is named, in the
sandbox `sandlock` under strace (apt-get install strace; as root, or where ptrace may attach). It prints each call
that was made after the filter was set, how often, and each refusal. A refusal that is not expected ends it with 1:
then `grader/sandbox/inside/system_calls.py` lacks something.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from grader.core import task_file as tasks
from grader.core.task import Task, TaskFacts
from grader.sandbox.base import job_of, limits_of
from grader.sandbox.inside import system_calls
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.intake import discover
from grader.submissions.loader import Submission
from grader.submissions.references import references_for
from grader.training import data, models

#: What was made after the filter on x86_64 by Python 3.11 and torch 2.14, when this was last run.
MEASURED = {
    "brk", "close", "futex", "getrandom", "ioctl", "lseek", "mmap", "munmap", "newfstatat", "openat", "read", "write",
}  # fmt: skip
_LINE = re.compile(r"^(?:\d+ +)?(?:[\d:.]+ )?(\w+)\((.*?)\) += (-?\w+)(?: (E\w+))?")
_FILTER = "seccomp(SECCOMP_SET_MODE_FILTER"
#: The C library asks for these first, and takes the older way; Python's stdin is no terminal.
_EXPECTED = {("clone3", "ENOSYS"), ("openat2", "ENOSYS")}
_WRITING = re.compile("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")


def main() -> int:
    task = tasks.load("digits")
    facts = models.facts_of(task, data.load(task))
    folders = [Path("submissions"), *map(Path, sys.argv[1:])]
    submissions = [s for folder in folders for s in discover(folder).submissions]
    submissions += [entry.submission for entry in references_for(None, facts)]
    with tempfile.TemporaryDirectory() as logs:
        endings = _trace(Path(logs), submissions, task, facts)
        calls, refused = _counted(Path(logs))
    print(f"{len(submissions)} submissions: {', '.join(f'{n} {ending}' for ending, n in endings.items())}")
    print(f"\n{len(calls)} system calls after the filter:")
    listed = {*system_calls.ALLOWED, *system_calls.CONDITIONS}
    for name, count in calls.most_common():
        note = "" if name in MEASURED else "  (new)" if name in listed else "  (not on the list)"
        print(f"  {count:8}  {name}{note}")
    print("\nrefused:")
    for (name, error, arguments), count in refused.most_common():
        print(f"  {count:8}  {name}({arguments}) {error}")
    if not calls:
        raise SystemExit("no worker was traced to its filter: nothing was measured")
    unexpected = {one for one in refused if one[:2] not in _EXPECTED}
    print(f"\n{len(unexpected)} refusals that were not expected")
    return 1 if unexpected else 0


def _trace(logs: Path, submissions: list[Submission], task: Task, facts: TaskFacts) -> Counter[str]:
    sandbox = SandlockSandbox()
    sandbox.open(print)
    assert sandbox.run(b"{}", limits_of(task, 300)).document == b""  # torch is imported over there by now
    assert sandbox._process is not None
    tracer = subprocess.Popen(
        ["strace", "-f", "-ff", "-qq", "-o", str(logs / "worker"), "-p", str(sandbox._process.pid)],
        stderr=subprocess.PIPE,
    )
    time.sleep(2)
    if tracer.poll() is not None:
        assert tracer.stderr is not None
        raise SystemExit(tracer.stderr.read().decode())
    endings: Counter[str] = Counter()
    for submission in submissions:
        if all(name in submission.files for name in ("scheduler.py", "config.py")):
            endings[sandbox.run(job_of(submission, task, facts), limits_of(task, 300)).ending] += 1
    sandbox.close()
    tracer.wait()
    return endings


def _counted(logs: Path) -> tuple[Counter[str], Counter[tuple[str, str, str]]]:
    """Calls by name, and refusals, of the workers and their threads."""
    calls: Counter[str] = Counter()
    refused: Counter[tuple[str, str, str]] = Counter()
    confined: set[str] = set()  # threads of workers, by number
    texts = {path.suffix[1:]: path.read_text(errors="replace").splitlines() for path in logs.iterdir()}
    for number in sorted(texts, key=int):
        lines = texts[number]
        start = next((i + 1 for i, line in enumerate(lines) if _FILTER in line), 0 if number in confined else None)
        for line in lines[start:] if start is not None else ():
            found = _LINE.match(line)
            if found is None:
                continue
            name, arguments, result, error = found.groups()
            calls[name] += 1
            if name == "clone" and not result.startswith("-"):
                confined.add(result)
            if error in ("EPERM", "ENOSYS") or (error == "EACCES" and _WRITING.search(arguments)):
                refused[name, error, arguments[:60]] += 1
    return calls, refused


if __name__ == "__main__":
    sys.exit(main())

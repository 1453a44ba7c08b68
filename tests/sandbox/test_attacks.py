"""A class of attackers, graded through both sandboxes: verdicts, messages, and that nothing else has changed.

The table in SECURITY.md is made here: `python -m pytest tests/sandbox/test_attacks.py --write-table` writes it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.core.text import clean
from support.hostile import HONEST, SKIPPED, TASK, Attack, make_class
from support.submissions import ROOT

pytestmark = pytest.mark.xdist_group("attacks")
TOKEN = "ghp_0123456789abcdef_the_graders_own"
SECRET = "the-held-out-labels-in-plain-sight"
BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"
# What the message to the attacker must say, and where it must point.
SAYS = {
    "alias-of-torch": ("is PyTorch's ConstantLR", "scheduler.py:3"),
    "billion-epochs": ("1000000000", "config.py:7"),
    "copied-instance": ("ExponentialLR", "scheduler.py"),
    "reloaded-torch": ("CosineAnnealingLR", "scheduler.py:13"),
    "infinite-rate": ("is inf", "in step 0"),
    "nan": ("is nan", "in step 45"),
    "rate-is-an-object": ("a Rate", "Python floats"),
    "giant-padding": ("4096", "config.py"),
    "patches-the-training": ("cross_entropy is replaced", "scheduler.py:5"),
    "clock-rate": ("differs from run to run", "chance"),
    "exit-zero": ("before its schedule was recorded", "scheduler.py"),
    "hostile-exception": ("Bad", "scheduler.py:8"),
    "segfault": ("SIGSEGV", "scheduler.py"),
    "sys-exit": ("SystemExit", "scheduler.py:5"),
    "kills-itself": ("SIGTERM", "scheduler.py"),
    "sleeps": ("longer than 12 s, and less than 4 s of it was computing", "sleep()"),
    "one-block": ("1500 MB", "scheduler.py"),
    "stdout": ("8192 KB", "print()"),
    "network-tcp": ("PermissionError", "scheduler.py:5"),
    "forges-the-document": ("a recipe cannot hold this", "Field required"),
    "deep-json": ("nested too deeply", "submission.json"),
    "folder-link": ("is a link", "scheduler.py"),
    "folder-pipe": ("not an ordinary file", "config.py"),
    "tar-up": ("leads outside", "tar-up.tar.gz"),
    "tar-bomb": ("unpacks to more than 64 MiB", "tar-bomb.tar.gz"),
    "zip-bzip2": ("not the usual one", "zip-bzip2.zip"),
    "leases": ("PermissionError", "scheduler.py"),
    "zip-bomb": ("larger than 32 KiB", "scheduler.py"),
}


@dataclass
class Graded:
    """What came of a class of attackers."""

    where: Path
    attacks: list[Attack]
    outcomes: dict[str, str]
    rows: dict[str, dict[str, Any]]
    output: str
    reached: bool  # whether anything came to the listeners

    def log(self, name: str) -> dict[str, Any]:
        path = self.where / "results/attacked/submissions/student" / name / "log.json"
        return json.loads(path.read_text())


def grade(where: Path, sandbox: str) -> Graded:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        (where / "secret.txt").write_text(SECRET)
        (where / "secret.txt").chmod(0o644)
        (where / "task.toml").write_text(TASK)
        (where / "reference").mkdir()
        reach = {
            "MARK": str(where / "grader-attack-mark"),
            "SECRET": str(where / "secret.txt"),
            "OTHER": str(where / "class" / HONEST[0] / "scheduler.py"),
            "BOARD": str(where / "leaderboard/attacked.json"),
            "RESULTS": str(where / "results/attacked"),
            "PORT": str(port),
        }
        attacks = make_class(where / "class", reach)
        call = [sys.executable, "-m", "grader", "run", "class", "--task", "task.toml", "--sandbox", sandbox]
        call += ["--device", "cpu", "--reference", "reference", "--leaderboard", "leaderboard/attacked.json"]
        environment = {**os.environ, "GITHUB_TOKEN": TOKEN, "GITHUB_ACTIONS": "true", "COLUMNS": "200"}
        done = subprocess.run(
            call, cwd=where, env=environment, capture_output=True, text=True, timeout=1200, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        reached = _came(tcp) or _came(udp)
    rows = {r["id"]: r for r in json.loads((where / "leaderboard/attacked.json").read_text())["rows"]}
    outcomes = {a.name: rows[a.id]["verdict"] if a.id in rows else SKIPPED for a in attacks}
    return Graded(where, attacks, outcomes, rows, done.stdout + done.stderr, reached)


def _came(listener: socket.socket) -> bool:
    listener.settimeout(0.2)
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()
        else:
            listener.recv(1)
    except TimeoutError:
        return False
    return True


@pytest.fixture(scope="module")
def by_sandlock(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    return grade(tmp_path_factory.mktemp("sandlock"), "sandlock")


@pytest.fixture(scope="module")
def by_docker(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    return grade(tmp_path_factory.mktemp("docker"), "docker")


@pytest.fixture(params=["sandlock", pytest.param("docker", marks=pytest.mark.docker)])
def graded(request: pytest.FixtureRequest) -> Graded:
    return request.getfixturevalue(f"by_{request.param}")


def test_every_attacker_gets_the_expected_verdict(graded: Graded) -> None:
    assert len(graded.attacks) > 100
    wrong = {a.name: (graded.outcomes[a.name], a.expected) for a in graded.attacks}
    assert {name: pair for name, pair in wrong.items() if pair[0] != pair[1]} == {}


def test_everybody_else_is_graded_as_if_alone(graded: Graded) -> None:
    honest = [graded.rows[name] for name in HONEST]
    assert [r["verdict"] for r in honest] == ["ok", "ok"]
    assert honest[0]["recipe"] == honest[1]["recipe"]
    assert honest[0]["accuracy"] == honest[1]["accuracy"] > 0.2
    # An attacker that is graded has the schedule that its code plays, trained like everybody's.
    graded_too = "leaves-threads claims-a-score patches-json kills-its-parent"
    for name in graded_too.split():
        assert (graded.rows[name]["recipe"], graded.rows[name]["accuracy"]) == (
            honest[0]["recipe"], honest[0]["accuracy"],
        )  # fmt: skip


def test_messages_say_what_and_where(graded: Graded) -> None:
    for attack in graded.attacks:
        row = graded.rows.get(attack.id)
        if row is None:
            assert f"skipped {clean(attack.name)!r}: " in graded.output, attack.name
            continue
        log = graded.log(attack.id)
        violations = log["workloads"][0]["compiled"]["violations"]
        assert bool(violations) == (attack.expected != "ok"), attack.name
        text = "\n".join(f"{v['file']}:{v['line']}: {v['what']} {v['fix']}" for v in violations)
        assert len(text) < 20_000
        assert "Traceback" not in text
        for words in SAYS.get(attack.name, ()):
            assert words in text, (attack.name, text)
    assert "Traceback" not in graded.output


def test_nothing_outside_has_changed(graded: Graded) -> None:
    where = graded.where
    allowed = {"secret.txt", "task.toml", "reference", "class", "leaderboard", "results"}
    assert {p.name for p in where.iterdir()} == allowed
    assert (where / "secret.txt").read_text() == SECRET
    assert not list((where / "results").rglob("forged*"))
    for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "/tmp", "/dev/shm"):
        assert not list(Path(folder).glob("grader[-_]attack*"))
    assert {p.name for p in (where / "class").iterdir()} >= {*HONEST, "new\nline"}


def test_nothing_was_learned_or_sent(graded: Graded) -> None:
    assert not graded.reached
    for folder in ("results", "leaderboard"):
        for path in (graded.where / folder).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert TOKEN.encode() not in data
                assert SECRET.encode() not in data
    environment = graded.log("prints-the-environment")["workloads"][0]["compiled"]["output"]
    assert "OMP_NUM_THREADS" in environment
    assert "TOKEN" not in environment
    stop = re.match(r"::stop-commands::(\w+)\n", graded.output)
    assert stop is not None  # what follows is no command to a CI runner, until we say so
    assert graded.output.rstrip().endswith(f"::{stop[1]}::")


def test_nobody_outlives_the_run(graded: Graded) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            assert (process / "cwd").readlink() != graded.where
        except OSError:
            continue


@pytest.mark.docker
def test_no_container_outlives_the_run(by_docker: Graded) -> None:
    import docker

    from grader.sandbox.docker_owners import LABEL, dead

    client = docker.from_env()
    left = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    assert not [c for c in left if dead(c.labels[f"{LABEL}.owner"])]
    client.close()


@pytest.mark.docker
def test_the_table_of_attacks_is_that_of_this_run(
    by_sandlock: Graded, by_docker: Graded, request: pytest.FixtureRequest
) -> None:
    lines = ["| | attack | `sandlock` | `docker` | expected |", "| --- | --- | --- | --- | --- |"]
    for attack in sorted(by_sandlock.attacks, key=lambda a: (a.category, a.tries)):
        tries = attack.tries.replace("|", "\\|")
        ours, theirs = by_sandlock.outcomes[attack.name], by_docker.outcomes[attack.name]
        lines.append(f"| {attack.category} | {tries} | {ours} | {theirs} | {attack.expected} |")
    table = "\n".join(lines)
    document = ROOT / "SECURITY.md"
    text = document.read_text()
    head, rest = text.split(BEGIN)
    there, tail = rest.split(END)
    if request.config.getoption("--write-table"):
        document.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}")
    else:
        assert there.strip() == table

"""The script for Slurm in a real Slurm: two nodes, each a `slurmd` of this machine."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.runs import essence, run, slow_class, trainings
from support.submissions import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("cluster"), pytest.mark.filterwarnings("default")]
SCRIPT = ROOT / "grader/cluster/slurm.sh"
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
NodeName=one NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=two NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running one."""

    environment: dict[str, str]

    def __call__(self, *command: str, where: Path) -> str:
        done = subprocess.run(
            command, cwd=where, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def submit(self, where: Path, *arguments: str) -> str:
        """The job's number."""
        ours = ["--gpus-per-node=0", "--cpus-per-task=1", "--output=job.log"]
        said = self("sbatch", *ours, str(SCRIPT), *arguments, where=where)
        return re.findall(r"\d+", said)[-1]

    def ended(self, where: Path, job: str) -> str:
        """Wait for the job; its exit code and signal."""
        for _ in range(600):
            said = self("scontrol", "show", "job", job, where=where)
            if re.search(r"JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT)", said):
                return re.findall(r"ExitCode=(\S+)", said)[0]
            time.sleep(0.5)
        raise AssertionError((where / "job.log").read_text())


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A controller, two nodes, and the munge that they trust one another by."""
    folder = tmp_path_factory.mktemp("slurm")
    sockets = [socket.socket() for _ in range(3)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    for parent in (folder, *folder.parents):  # munge wants to be reached by all
        if parent.stat().st_mode & 0o111 != 0o111:
            parent.chmod(parent.stat().st_mode | 0o111)
    (folder / "state").mkdir()
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, ports=ports))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "RAY", "GRADER_"))}
    environment |= {"SLURM_CONF": str(folder / "slurm.conf"), "GRADER_VENV": str(Path(sys.executable).parents[1])}
    munged = ["munged", "--foreground", "--force", *(f"--{n}-file={folder}/munge.{n}" for n in ("key", "pid", "seed"))]
    daemons = [
        [*munged, f"--socket={folder}/munge.socket"],
        ["slurmctld", "-D"],
        ["slurmd", "-D", "-N", "one"],
        ["slurmd", "-D", "-N", "two"],
    ]
    running = []
    with open(folder / "log", "w") as log:
        for daemon in daemons:
            running.append(subprocess.Popen(daemon, env=environment, stdout=log, stderr=log))
            time.sleep(1)
        made = Slurm(environment)
        for _ in range(60):
            if made("sinfo", "--noheader", "--format=%T %D", where=folder).split() == ["idle", "2"]:
                break
            time.sleep(1)
        else:
            raise AssertionError((folder / "log").read_text())
        yield made
        made("scancel", "--state=RUNNING", "--user=root", where=folder)
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class, graded without Slurm."""
    where = tmp_path_factory.mktemp("local")
    assert run(slow_class(where / "class", 3), "--sandbox", "sandlock", where=where).returncode == 0
    return where


def arguments(here: Path, where: Path) -> list[str]:
    """As `run` has them."""
    (where / "reference").mkdir(exist_ok=True)
    return [str(here / "class"), "--sandbox", "sandlock", "--device", "cpu", "--reference", str(here / "reference")]


def test_a_job_on_two_nodes_gives_the_same_board(slurm: Slurm, here: Path, tmp_path: Path) -> None:
    assert slurm.ended(tmp_path, slurm.submit(tmp_path, *arguments(here, tmp_path))) == "0:0"
    said = (tmp_path / "job.log").read_text()
    assert "2 of 2 nodes" in said
    assert "2 at a time, sandbox sandlock" in said
    assert essence(tmp_path) == essence(here)


def test_a_job_that_is_ended_keeps_what_is_finished_and_lets_nobody_else_in(
    slurm: Slurm, here: Path, tmp_path: Path
) -> None:
    job = slurm.submit(tmp_path, *arguments(here, tmp_path))
    for _ in range(200):
        said = (tmp_path / "job.log").read_text() if (tmp_path / "job.log").exists() else ""
        if "[1/" in said:
            break
        time.sleep(0.5)
    found = re.search(r"node IP: (\S+)", (tmp_path / f"ray-{job}-0.log").read_text())
    assert found
    address = f"{found[1]}:{20000 + int(job) % 20000}"
    code = f"import ray; ray.init({address!r}); print(ray.get(ray.remote(lambda: 'in').remote()))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as stranger:
        assert stranger.stderr is not None
        assert any("Authentication token is missing or incorrect" in line for line in stranger.stderr)
        stranger.kill()  # it would try on
    slurm("scancel", "--signal=INT", "--batch", job, where=tmp_path)
    assert slurm.ended(tmp_path, job) == "130:0"
    assert "the next run continues from here" in (tmp_path / "job.log").read_text()
    known = trainings(tmp_path)
    assert known
    assert slurm.ended(tmp_path, slurm.submit(tmp_path, *arguments(here, tmp_path))) == "0:0"
    assert known.items() <= trainings(tmp_path).items()
    assert essence(tmp_path) == essence(here)

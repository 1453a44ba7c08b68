"""What happens on a cluster when nodes, trainers or the driver are lost: nothing, but for the time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clusters import STORE, local_cluster, on
from support.runs import command, essence, read_to, run, started, trainings

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.filterwarnings("default"),  # Ray's own
    pytest.mark.skipif(sys.platform != "linux", reason="a cluster of several nodes on one machine is Linux's"),
]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """One for each test: after lost drivers and nodes a cluster on one machine starts no new nodes."""
    with local_cluster() as made:
        yield made


def test_a_node_lost_in_the_middle_changes_nothing(cluster: Any, here: Path, tmp_path: Path) -> None:
    call = command(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    with started(call, tmp_path) as process:
        said = read_to(process, "[1/")
        cluster.remove_node(cluster.members[0], allow_graceful=False)
        assert process.stdout is not None
        said += process.stdout.read()
        assert process.wait(300) == 0, said
    assert "1 place(s) to train are left" in said
    assert essence(tmp_path) == essence(here)


def test_when_all_nodes_are_lost_one_that_joins_takes_over(cluster: Any, here: Path, tmp_path: Path) -> None:
    call = command(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    with started(call, tmp_path) as process:
        read_to(process, "[2/")
        for member in cluster.members:
            cluster.remove_node(member, allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
        process.wait(300)
    # Submissions that had not left a sandbox when the last one went are ours to retry; no score is wrong or lost.
    done = run(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert essence(tmp_path) == essence(here)


def test_a_driver_that_is_killed_goes_on_where_it_was(cluster: Any, here: Path, tmp_path: Path) -> None:
    call = command(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    with started(call, tmp_path) as process:
        read_to(process, "[2/")
        process.send_signal(signal.SIGKILL)
    known = trainings(tmp_path)
    assert known
    done = run(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert known.items() <= trainings(tmp_path).items()
    assert essence(tmp_path) == essence(here)


def kill_trainers() -> int:
    """How many processes that train were found, and killed."""
    killed = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::_TrainerActor.answer" in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)
                killed += 1
        except OSError:
            continue
    return killed


def test_an_actor_that_is_killed_is_replaced(cluster: Any, here: Path, tmp_path: Path) -> None:
    """As Ray itself does where a node runs out of memory."""
    call = command(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    with started(call, tmp_path) as process:
        read_to(process, "[1/")
        killed = kill_trainers()
        while not killed and process.poll() is None:
            time.sleep(0.05)
            killed = kill_trainers()
        assert killed
        assert process.wait(300) == 0
    assert essence(tmp_path) == essence(here)

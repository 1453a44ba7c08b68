"""`--engine ray` on a real cluster of several nodes: the same board as here, to the bit, whatever happens to a node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.cluster.nodes import Node, of_one_kind
from grader.cluster.trainers import files_of
from grader.core.errors import SetupError, TaskError
from grader.core.task_file import load
from grader.training.pool import DeviceChoice
from support.clusters import local_cluster, on
from support.runs import (
    MODEL,
    command,
    essence,
    injected,
    make_class,
    rows,
    run,
    trainings,
)

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.filterwarnings("default"),  # Ray's own
    pytest.mark.skipif(sys.platform != "linux", reason="a cluster of several nodes on one machine is Linux's"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One for all of these tests, none of which takes a node or a driver away from it."""
    with local_cluster() as made:
        yield made


def test_a_class_graded_on_a_cluster_has_the_same_board_to_the_bit(cluster: Any, here: Path, tmp_path: Path) -> None:
    done = run(here / "class", "--sandbox", "auto", *on(cluster), where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 at a time, sandbox sandlock" in done.stdout
    assert essence(tmp_path) == essence(here)
    before = trainings(tmp_path)
    assert run(here / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path).returncode == 0
    assert trainings(tmp_path) == before


def test_several_workloads_are_trained_on_a_cluster_too(cluster: Any, tmp_path: Path) -> None:
    for engine in ("local", "ray"):
        where = tmp_path / engine
        make_class(where / "class", 2)
        (where / "mine.py").write_text("from grader.training.models import LeNet as Net\n")
        (where / "two.toml").write_text(
            'name = "two"\nseeds = [0]\n'
            '[[workload]]\nname = "a"\nmodel = "cnn"\ndata = { source = "digits" }\n'
            '[[workload]]\nname = "b"\nmodel = "mine.py:Net"\ndata = { source = "digits", views = 2 }\n'
        )
        chosen = on(cluster) if engine == "ray" else []
        done = run(where / "class", "--sandbox", "sandlock", "--task", "two.toml", *chosen, where=where)
        assert done.returncode == 0, done.stdout + done.stderr
    assert all(row["verdict"] == "ok" for row in rows(tmp_path / "ray").values())
    assert essence(tmp_path / "ray") == essence(tmp_path / "local")


def test_a_model_outside_the_task_s_folder_is_not_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from grader.training.models import LeNet as Net\n")
    (tmp_path / "task").mkdir()
    text = 'name = "t"\nmodel = "{}:Net"\n[data]\nsource = "digits"\n'
    (tmp_path / "task/t.toml").write_text(text.format("../mine.py"))
    with pytest.raises(TaskError, match="outside the task's folder"):
        files_of(load(str(tmp_path / "task/t.toml")))
    (tmp_path / "task/t.toml").write_text(text.format(tmp_path / "mine.py"))
    assert files_of(load(str(tmp_path / "task/t.toml"))) == {}  # each node reads its own


def test_a_course_s_own_model_and_data_go_to_the_nodes(cluster: Any, tmp_path: Path) -> None:
    import fsspec
    from PIL import Image

    for part in ("train", "test"):
        for label in ("dark", "light"):
            folder = tmp_path / "shared" / part / label
            folder.mkdir(parents=True)
            for n in range(6):
                shade = 40 + n if label == "dark" else 200 + n
                Image.new("RGB", (32, 32), (shade, shade, shade)).save(folder / f"{n}.png")
    (tmp_path / "model.py").write_text(MODEL.format(fault="pass"))
    url = f"file://{tmp_path / 'shared'}"
    assert fsspec.open(f"{url}/train/dark/0.png")
    task = f'name = "own"\nmodel = "model.py:Net"\nseeds = [0]\n[data]\nsource = "folder"\npath = "{url}"\n'
    (tmp_path / "own.toml").write_text(task)
    make_class(tmp_path / "class", 1)
    call = ("--sandbox", "sandlock", "--task", "own.toml")
    cache = str(tmp_path / "cache")
    done = run(tmp_path / "class", *call, *on(cluster), where=tmp_path, GRADER_CACHE=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    ours = essence(tmp_path)
    assert ours["student", "student00"]["verdict"] == "ok"
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "leaderboard/leaderboard.json").unlink(missing_ok=True)
    done = run(tmp_path / "class", *call, where=tmp_path, GRADER_CACHE=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    assert essence(tmp_path) == ours


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--sandbox", "none"], 2, "in a sandbox only: use auto, docker or sandlock"),
        (["--sandbox", "docker"], 3, "no node of the cluster has the sandbox docker: no Docker engine answers"),
        (["--gpus-per-training", "1.5"], 3, "use a share such as 0.25, or a whole number"),
        (["--device", "cuda"], 3, "no node to train on with --device cuda"),
    ],
)
def test_what_a_cluster_cannot_do_is_said(
    cluster: Any, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    make_class(tmp_path / "class", 1)
    call = [*arguments, *([] if "--sandbox" in arguments else ["--sandbox", "sandlock"])]
    base = command(tmp_path / "class", *call, *on(cluster), where=tmp_path)
    if "--device" in arguments:
        base.remove("cpu")
        base.remove("--device")
    done = subprocess.run(base, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_with_other_software_is_left_out_and_said(cluster: Any, tmp_path: Path) -> None:
    make_class(tmp_path / "class", 1)
    other = "from grader.cluster import nodes\nnodes.software = lambda: 'grader 99'"
    call = injected(other, tmp_path / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 3
    assert done.stdout.count("is left out: it has grader") >= 2
    assert "here is grader 99" in done.stdout


def test_a_trainer_that_does_not_start_is_our_fault(cluster: Any, tmp_path: Path) -> None:
    make_class(tmp_path / "class", 1)
    hasty = "from grader.cluster import trainers\ntrainers._START_SECONDS = 0.01"
    call = injected(hasty, tmp_path / "class", "--sandbox", "sandlock", *on(cluster), where=tmp_path)
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "did not start within" in done.stderr
    assert not list(tmp_path.rglob("runs/*/*.json"))


def test_without_a_cluster_or_without_ray_it_says_what_to_do(tmp_path: Path) -> None:
    make_class(tmp_path / "class", 1)
    done = run(tmp_path / "class", "--engine", "ray", "--address", "127.0.0.1:1", where=tmp_path)
    assert done.returncode == 3
    assert "no Ray cluster could be had at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
    code = "import sys\nsys.modules['ray'] = None"
    call = injected(code, tmp_path / "class", "--engine", "ray", where=tmp_path)
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 3
    assert "with the extra [ray]" in done.stderr
    done = run(tmp_path / "class", "--address", "127.0.0.1:1", where=tmp_path)
    assert done.returncode == 2
    assert "belong to --engine ray" in done.stderr


def test_the_local_engine_imports_no_ray(tmp_path: Path) -> None:
    make_class(tmp_path / "class", 1)
    code = "import atexit, sys\natexit.register(lambda: print('ray' in sys.modules, file=open('ray', 'w')))"
    call = injected(code, tmp_path / "class", "--sandbox", "sandlock", where=tmp_path)
    subprocess.run(call, cwd=tmp_path, capture_output=True, check=True, timeout=200)
    assert (tmp_path / "ray").read_text() == "False\n"


def node(name: str, kind: str, cpus: int = 4, gpus: float = 0) -> Node:
    return Node(name, name, cpus, gpus, kind, None, None)


def test_one_run_trains_on_one_kind_of_device() -> None:
    nodes = [node("a", "cpu", 64), node("b", "H100", gpus=1), node("c", "A100", gpus=2), node("d", "A100", gpus=2)]
    said: list[str] = []
    assert [n.id for n in of_one_kind(nodes, DeviceChoice.AUTO, "", said.append)] == ["c", "d"]
    assert "left out" in said[0]
    assert "H100, cpu" in said[0]
    assert [n.id for n in of_one_kind(nodes, DeviceChoice.AUTO, "H100", said.append)] == ["b"]
    assert [n.id for n in of_one_kind(nodes, DeviceChoice.CPU, "", said.append)] == ["a"]
    cpus = [node("e", "cpu (AVX2, kernels 1)", 2), node("f", "cpu (AVX512, kernels 2)", 8)]
    assert [n.id for n in of_one_kind(cpus, DeviceChoice.AUTO, "cpu", said.append)] == ["f"]
    assert [n.id for n in of_one_kind(cpus, DeviceChoice.AUTO, "cpu (AVX2, kernels 1)", said.append)] == ["e"]
    with pytest.raises(SetupError, match=r"demands B200.*it has A100, H100, cpu"):
        of_one_kind(nodes, DeviceChoice.AUTO, "B200", said.append)
    with pytest.raises(SetupError, match="no node to train on"):
        of_one_kind(nodes[:1], DeviceChoice.CUDA, "", said.append)


def test_results_say_what_they_were_trained_on(here: Path) -> None:
    row = json.loads((here / "leaderboard/leaderboard.json").read_text())["rows"][0]
    assert row["device"].startswith("cpu (")
    assert time.strptime(row["graded"][:10], "%Y-%m-%d")

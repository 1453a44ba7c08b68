"""A class on a task with several held-out workloads: graded, killed, resumed, published, exported."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grader.core.errors import TaskError
from grader.core.task_file import load, load_one
from support.runs import GRADER, board, command, make_class, rows, run, trainings

pytestmark = pytest.mark.xdist_group("several")
TASK = """
name = "several"
seeds = [0, 1]
[ranking]
by = "gap-closed"
public_share = 0.5
[[workload]]
name = "noisy"
model = "cnn"
weight = 3
data = { source = "digits", label_noise = 0.25, views = 3 }
[[workload]]
name = "plain"
model = "lenet"
data = { source = "digits" }
[[workload]]
name = "own"
model = "mine.py:Net"
data = { source = "digits" }
"""
MODEL = "from grader.training.models import SmallCNN\n\n\nclass Net(SmallCNN):\n    pass\n"
#: Its schedule fails on a model with the layers of LeNet, which has no batch normalisation.
PICKY = """
from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def __init__(self, optimizer, last_epoch=-1, **kwargs):
        if len(optimizer.param_groups[0]["params"]) == 10:
            raise ValueError("no batch normalisation")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return list(self.base_lrs)
"""


def make(where: Path, more: str = "") -> str:
    (where / "mine.py").write_text(MODEL)
    (where / "several.toml").write_text(TASK.replace("[ranking]", f"[ranking]\n{more}"))
    return "several.toml"


def call(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GRADER, *arguments], cwd=where, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("several")
    folder = make_class(where / "class", 3)
    (folder / "student02/scheduler.py").write_text(PICKY)
    done = run(folder, "--sandbox", "sandlock", "--task", make(where), "--site", "site", where=where)
    assert done.returncode == 0, done.stdout + done.stderr
    return where


def test_every_submission_is_trained_on_each_workload(where: Path) -> None:
    found = rows(where)["student", "student00"]
    assert [one["name"] for one in found["workloads"]] == ["noisy", "plain", "own"]
    for one in found["workloads"]:
        assert one["verdict"] == "ok"
        assert [seed["seed"] for seed in one["seeds"]] == [0, 1]
        assert one["curves"] is not None
    means = [one["accuracy"] for one in found["workloads"]]
    assert found["accuracy"] == pytest.approx((3 * means[0] + means[1] + means[2]) / 5)
    assert len({one["recipe"] for one in found["workloads"]} | {found["recipe"]}) >= 3
    weights = [one["weight"] for one in board(where)["task"]["workloads"]]
    assert weights == pytest.approx([0.6, 0.2, 0.2])
    log = json.loads((where / "results/several/submissions/student/student00/log.json").read_text())
    assert [one["name"] for one in log["workloads"]] == ["noisy", "plain", "own"]
    assert all(len(one["runs"]) == 2 for one in log["workloads"])


def test_a_workload_that_fails_is_said_and_leaves_the_submission_unranked(where: Path) -> None:
    found = rows(where)["student", "student02"]
    assert found["verdict"] == "crash"
    assert found["accuracy"] is None
    assert found["rank"] is None
    assert found["detail"].startswith("workload plain: ")
    said = call(where, "explain", "student02").stdout
    assert "Workload plain, weight 20%: crash." in said
    assert "Workload own, weight 20%: not begun, since another workload had failed." in said


def test_a_task_may_count_it_as_guessing(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 1)
    (folder / "student00/scheduler.py").write_text(PICKY)
    task = make(tmp_path, 'failed_workload = "guessing"')
    done = run(folder, "--sandbox", "sandlock", "--task", task, where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(tmp_path)["student", "student00"]
    assert found["verdict"] == "ok"
    assert found["rank"] == 1
    assert "counts as guessing on plain (crash)" in found["detail"]
    by_name: dict[str, Any] = {one["name"]: one for one in found["workloads"]}
    assert by_name["plain"]["accuracy"] == pytest.approx(0.1)
    assert by_name["plain"]["guessing"]
    assert by_name["own"]["accuracy"] > 0.3
    assert {seed["verdict"] for seed in found["seeds"]} == {"ok"}
    assert "guessing on plain (crash)" in done.stdout
    assert "10.00 (crash)" in call(tmp_path, "show", "--wide").stdout
    assert "SGD, batch size 64, 1 epoch" in call(tmp_path, "explain", "student00").stdout
    assert "crash, 10.00 ± 0.00 % (that of guessing)" in call(tmp_path, "explain", "student00").stdout


def test_the_board_is_published_and_exported_with_a_column_for_each(where: Path, tmp_path: Path) -> None:
    assert call(where, "publish", "--out", str(tmp_path / "site")).returncode == 0
    text = (tmp_path / "site/index.html").read_text()
    for name in ("noisy", "plain", "own"):
        assert f'<button type="button">{name}</button>' in text
    assert "share of the gap between the default scheduler (0) and the best reference of each workload (1)" in text
    page = next((tmp_path / "site/s").glob("student00-*.html")).read_text()
    assert "Performance profile: the best row on" in page
    assert page.count("Learning rate over the") >= 3
    table = list(csv.DictReader(call(where, "export", "csv").stdout.splitlines()))
    first = next(line for line in table if line["name"] == "student00")
    assert float(first["accuracy_plain"]) == rows(where)["student", "student00"]["workloads"][1]["accuracy"]
    assert float(first["gap_closed"]) == rows(where)["student", "student00"]["score"]
    assert (first["verdict_plain"], first["verdict"]) == ("ok", "ok")
    assert "| noisy | plain | own |" in call(where, "export", "markdown").stdout
    for form in ("gradescope", "codabench", "classroom"):
        assert call(where, "export", form, "--id", "student00").returncode == 0
    assert "noisy" in call(where, "show", "--wide").stdout


def test_the_final_ranking_is_by_the_withheld_images_of_all_workloads(where: Path, tmp_path: Path) -> None:
    done = call(where, "publish", "--final", "--out", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    known = json.loads((where / "results/several/finals/student/student00.json").read_text())
    (scores,) = known["gradings"].values()
    assert len(scores) == 6
    mean = {name: sum(s["accuracy"] for s in scores if s["workload"] == name) / 2 for name in ("noisy", "plain", "own")}
    page = next((tmp_path / "site/s").glob("student00-*.html")).read_text()
    assert f"<dd>{100 * (3 * mean['noisy'] + mean['plain'] + mean['own']) / 5:.2f} %" in page
    assert "by the images that the board showed" in page


def test_it_is_killed_at_any_moment_and_goes_on(where: Path, tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 3)
    (folder / "student02/scheduler.py").write_text(PICKY)
    arguments = command(folder, "--sandbox", "sandlock", "--task", make(tmp_path), where=tmp_path)
    before: dict[Path, int] = {}
    for lines in (0, 1, 2):
        with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
            assert process.stdout is not None
            assert any(line.startswith("grading ") for line in process.stdout)
            for _ in range(lines):
                assert process.stdout.readline().startswith("[")
            process.send_signal(signal.SIGKILL)
        there = trainings(tmp_path)
        assert before.items() <= there.items()
        before = there
    assert before
    done = run(folder, "--sandbox", "sandlock", "--task", "several.toml", where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert before.items() <= trainings(tmp_path).items()  # no training was made twice
    for key, found in rows(tmp_path).items():
        whole = rows(where)[key]
        for name in ("rank", "score", "accuracy", "verdict", "recipe"):
            assert found[name] == whole[name], (key, name)


def test_other_weights_are_another_board(where: Path) -> None:
    text = (where / "several.toml").read_text()
    (where / "weights.toml").write_text(text.replace("weight = 3", "weight = 2"))
    done = run(where / "class", "--sandbox", "sandlock", "--task", "weights.toml", where=where)
    assert done.returncode == 2
    assert "holds scores of another task (the workloads changed)" in done.stderr


def test_adaptive_seeds_are_refused_where_they_could_not_count(where: Path) -> None:
    text = (where / "several.toml").read_text()
    (where / "ranks.toml").write_text(text.replace("gap-closed", "mean-rank"))
    done = run(where / "class", "--sandbox", "sandlock", "--task", "ranks.toml", "--seeds", "adaptive", where=where)
    assert done.returncode == 2
    assert "ranks by the task's seeds alone" in done.stderr


def test_seeds_are_added_on_all_workloads(where: Path, tmp_path: Path) -> None:
    shutil.copytree(where / "results", tmp_path / "results")
    task = make(tmp_path, "max_seeds = 3")
    done = run(where / "class", "--sandbox", "sandlock", "--task", task, "--seeds", "adaptive", where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(tmp_path)["student", "student00"]
    assert len(found["seeds"]) == 3
    assert [len(one["seeds"]) for one in found["workloads"]] == [3, 3, 3]


def test_a_workload_alone_is_a_task(where: Path) -> None:
    assert load_one(str(where / "several.toml:plain")).model == "lenet"
    with pytest.raises(TaskError, match=r"several has several workloads: name one of them, as .*several.toml:noisy"):
        load_one(str(where / "several.toml"))
    with pytest.raises(TaskError, match="its workloads are noisy, plain, own"):
        load(str(where / "several.toml:nosuch"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("[ranking]", 'model = "cnn"\n[ranking]'), "model: write this into each [[workload]], not at the top"),
        (('name = "plain"', 'name = "noisy"'), "a workload's name stands twice"),
        (("weight = 3", "weight = 0"), "workload.0.weight: Input should be greater than 0"),
        (("weight = 3", "wait = 3"), "workload.0.wait: there is no such key"),
        (('by = "gap-closed"', 'by = "contribution"\ncontribution = false'), "needs contribution = true"),
    ],
)
def test_a_wrong_workload_is_named(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    (tmp_path / "t.toml").write_text(TASK.replace(*change))
    with pytest.raises(TaskError) as caught:
        load(str(tmp_path / "t.toml"))
    assert complaint in str(caught.value)


def test_rules_for_several_workloads_need_several(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(
        'name = "t"\nmodel = "cnn"\n[ranking]\nby = "mean-rank"\n[data]\nsource = "digits"\n'
    )
    with pytest.raises(TaskError, match=r'by "mean-rank" needs several \[\[workload\]\] tables'):
        load(str(tmp_path / "t.toml"))

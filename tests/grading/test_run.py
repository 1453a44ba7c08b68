"""`grader run` from outside: a whole class, twice, killed in the middle, side by side, in both sandboxes."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from grader.core.task import WALL_FACTOR
from support.runs import board, command, grader, make_class, rows, run, trainings
from support.submissions import CONFIG, ROOT

SAMPLES = pytest.mark.xdist_group("samples")  # graded once, for all tests that look at the outcome


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples of the repository, graded once with sandlock."""
    where = tmp_path_factory.mktemp("graded")
    done = run(ROOT / "submissions", "--sandbox", "sandlock", where=where, every=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "leaderboard: leaderboard/leaderboard.json" in done.stdout
    return where


@SAMPLES
def test_the_samples_are_graded_beside_the_references(graded: Path) -> None:
    found = rows(graded)
    verdicts = {name: row["verdict"] for (kind, name), row in found.items() if kind == "student"}
    assert len(verdicts) == 18
    assert verdicts["marco-typo-diverges"] == "diverged"
    assert verdicts["zed-endless-loop"] == "timeout"
    assert sum(v == "ok" for v in verdicts.values()) == 10
    assert found["default", "constant"]["verdict"] == "ok"
    references = {name: row["verdict"] for (kind, name), row in found.items() if kind == "reference"}
    assert references == dict.fromkeys(sorted({p.name for p in (ROOT / "reference").iterdir()} - {"constant"}), "ok")
    ada = found["student", "ada-constant-adam"]
    assert ada["team"] == ["Ada Moreno (amoreno)"]
    assert ada["accuracy"] > 0.8
    assert len(ada["seeds"]) == 3
    assert ada["accuracy"] == pytest.approx(sum(s["accuracy"] for s in ada["seeds"]) / 3)
    assert ada["standard_error"] > 0
    assert ada["learning_rate"] == {
        "first": 0.001, "last": 0.001, "lowest": 0.001, "highest": 0.001, "distinct": 1, "steps": 138,
        "curve": [0.001] * 64,
    }  # fmt: skip
    assert len(ada["recipe"]) == 64
    ranks = [r["rank"] for r in board(graded)["rows"] if r["rank"] is not None]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1


@SAMPLES
def test_the_first_board_shows_what_a_decaying_rate_is_good_for(graded: Path) -> None:
    beats = {name: row["beats_default"] for (kind, name), row in rows(graded).items() if kind == "reference"}
    assert beats.pop("warmup_constant") != "no"
    assert set(beats.values()) == {"yes"}
    spans = [row["rank_interval"] for row in rows(graded).values() if row["rank_interval"]]
    assert len(set(map(tuple, spans))) > 2  # not one tie of all


@SAMPLES
def test_each_submission_has_its_log(graded: Path) -> None:
    folder = graded / "results/digits/submissions/student"
    assert len(list(folder.iterdir())) == 18
    log = json.loads((folder / "bilal-cosine/log.json").read_text())
    assert log["workloads"][0]["compiled"]["recipe"]["optimizer"] == "SGD"
    assert [len(r["epochs"]) for r in log["workloads"][0]["runs"]] == [6, 6, 6]
    text = (folder / "lena-untouched/log.txt").read_text()
    assert "scheduler.py:5: get_lr() returned 0.01" in text
    assert "submission.json" in text


@SAMPLES
def test_nothing_is_done_twice_and_force_does_it_again(graded: Path, tmp_path: Path) -> None:
    where = tmp_path / "again"
    shutil.copytree(graded, where)
    before = {p: p.stat().st_mtime_ns for p in (where / "results/digits/runs").rglob("*.json")}
    done = run(ROOT / "submissions", "--sandbox", "sandlock", where=where, every=True)
    assert done.returncode == 0, done.stderr
    after = {p: p.stat().st_mtime_ns for p in (where / "results/digits/runs").rglob("*.json")}
    assert after == before
    one = tmp_path / "one"
    shutil.copytree(ROOT / "submissions/ada-constant-adam", one / "ada-constant-adam")
    done = run(one, "--sandbox", "sandlock", "--force", where=where)
    assert done.returncode == 0, done.stderr
    again = {p: p.stat().st_mtime_ns for p in (where / "results/digits/runs").rglob("*.json")}
    assert again.keys() == before.keys()
    assert sum(again[p] != before[p] for p in before) == 9  # ada, constant and cosine, three seeds each
    strip = ("graded", "seconds", "seeds")
    ours, theirs = rows(graded), rows(where)
    for key, row in ours.items():
        assert {k: v for k, v in theirs[key].items() if k not in strip} == {
            k: v for k, v in row.items() if k not in strip
        }


def test_some_are_graded_again_and_the_others_left_alone(tmp_path: Path) -> None:
    make_class(tmp_path / "submissions", 3)
    done = run(tmp_path / "submissions", "--sandbox", "sandlock", where=tmp_path)
    assert done.returncode == 0, done.stderr
    before, first = trainings(tmp_path), rows(tmp_path)
    arguments = ["--sandbox", "sandlock", "--device", "cpu", "--reference", "reference"]
    done = grader("regrade", "student01", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "grading 1 submission(s)" in done.stdout
    assert "but not in" not in done.stdout
    after, then = trainings(tmp_path), rows(tmp_path)
    assert after.keys() == before.keys()
    assert sum(after[p] != before[p] for p in before) == 6  # its three seeds, and those of its constant rate
    assert {key: row["accuracy"] for key, row in then.items()} == {key: row["accuracy"] for key, row in first.items()}
    done = grader("regrade", "student1", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "submissions holds no submission called student1; there is student01" in done.stderr


@SAMPLES
@pytest.mark.docker
def test_docker_gives_the_same_recipes_and_accuracies(graded: Path, tmp_path: Path) -> None:
    """Compiled anew; equal recipes then have the accuracies of the trainings that are there."""
    shutil.copytree(graded / "results/digits/runs", tmp_path / "results/digits/runs")
    before = len(list((tmp_path / "results").rglob("runs/*/*.json")))
    done = run(ROOT / "submissions", "--sandbox", "docker", where=tmp_path, every=True)
    assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs = rows(graded), rows(tmp_path)
    assert ours.keys() == theirs.keys()
    for key, row in ours.items():
        for field in ("verdict", "recipe", "accuracy", "rank", "learning_rate"):
            assert theirs[key][field] == row[field], (key, field)
        assert [s["accuracy"] for s in theirs[key]["seeds"]] == [s["accuracy"] for s in row["seeds"]]
    assert len(list((tmp_path / "results").rglob("runs/*/*.json"))) == before


@pytest.mark.parametrize("box", ["sandlock", pytest.param("docker", marks=pytest.mark.docker)])
def test_kill_nine_at_any_moment_loses_nothing(tmp_path: Path, box: str) -> None:
    """Killed ten times, each time after some more of its lines (the first one: before anything is graded)."""
    folder = make_class(tmp_path / "class", 8)
    call = command(folder, "--sandbox", box, where=tmp_path)
    runs = tmp_path / "results/digits/runs"
    draw = random.Random(0)
    finished: dict[Path, bytes] = {}
    for lines in (0, 0, 1, 2, 3, 4, 5, 6, 7, 9):
        with subprocess.Popen(
            call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        ) as grader:
            assert grader.stdout is not None
            assert any(line.startswith("grading ") for line in grader.stdout)
            for _ in range(lines):
                assert grader.stdout.readline().startswith("[")
            time.sleep(draw.uniform(0.0, 0.3))
            assert grader.poll() is None  # it was at work
            grader.send_signal(signal.SIGKILL)
        assert grader.returncode == -signal.SIGKILL
        there = {p: p.read_bytes() for p in runs.rglob("[0-9a-f]*.json")} if runs.is_dir() else {}
        assert finished.items() <= there.items()
        finished = there
        path = tmp_path / "leaderboard/leaderboard.json"
        if path.is_file():
            json.loads(path.read_text())
    assert finished
    done = run(folder, "--sandbox", box, where=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {k for k in rows(tmp_path) if k[0] == "student"} == {("student", f"student{n:02}") for n in range(8)}
    assert all(r["verdict"] == "ok" for r in rows(tmp_path).values())
    kept = {p: p.read_bytes() for p in runs.rglob("*.json")}
    assert finished.items() <= kept.items()
    assert not _processes_of(tmp_path)
    if box == "docker":
        import docker

        from grader.sandbox.docker_owners import dead

        client = docker.from_env()
        ours = client.containers.list(all=True, filters={"label": "org.grader"}, ignore_removed=True)
        assert not [c for c in ours if dead(c.labels["org.grader.owner"])]  # others may be running beside us
        client.close()


def _processes_of(folder: Path) -> list[str]:
    """Processes of graders that worked in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and b"grader" in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def test_two_runs_at_once_share_one_board(tmp_path: Path) -> None:
    a, b = make_class(tmp_path / "a", 2), tmp_path / "b"
    make_class(b, 2)
    for folder in list(b.iterdir()):
        folder.rename(b / f"other-{folder.name}")
    both = [
        subprocess.Popen(command(f, "--sandbox", "sandlock", where=tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL)
        for f in (a, b)
    ]
    assert [p.wait(300) for p in both] == [0, 0]
    students = {name for kind, name in rows(tmp_path) if kind == "student"}
    assert students == {"student00", "student01", "other-student00", "other-student01"}


def test_interrupted_once_it_stops_cleanly_and_goes_on_next_time(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 6)
    for config in folder.glob("*/config.py"):
        config.write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 10"))
    with subprocess.Popen(
        command(folder, "--sandbox", "sandlock", where=tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's children ignore it
    ) as grader:
        assert grader.stdout is not None
        for line in grader.stdout:
            if line.startswith("[2/"):
                grader.send_signal(signal.SIGINT)
                break
        rest = grader.stdout.read()
    assert grader.returncode == 130
    assert "Traceback" not in rest
    assert "continues from here" in rest
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "results").rglob("runs/*/*.json")}
    assert before
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "results").rglob("runs/*/*.json")}
    assert before.items() <= after.items()
    assert len(rows(tmp_path)) == 8


def test_equal_submissions_are_trained_once(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 1)
    shutil.copytree(folder / "student00", folder / "copy")
    assert run(folder, "--sandbox", "sandlock", where=tmp_path).returncode == 0
    found = rows(tmp_path)
    assert found["student", "copy"]["recipe"] == found["student", "student00"]["recipe"]
    assert found["student", "copy"]["rank"] == found["student", "student00"]["rank"] == 1
    # Three seeds each: the submission, its configuration at the constant rate, and both references (one is constant).
    assert len(list((tmp_path / "results/digits/runs").rglob("*.json"))) == 3 * 4


def test_the_time_limit_covers_the_training(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 1)
    (folder / "student00/config.py").write_text(CONFIG.replace("num_epochs = 2", "num_epochs = 4000"))
    text = (ROOT / "grader/core/tasks/digits.toml").read_text().replace("time_limit_s = 300", "time_limit_s = 12")
    (tmp_path / "short.toml").write_text(text.replace('name = "digits"', 'name = "short"').replace("[0, 1, 2]", "[0]"))
    done = run(folder, "--sandbox", "sandlock", "--task", "short.toml", where=tmp_path)
    assert done.returncode == 0, done.stderr
    row = rows(tmp_path)["student", "student00"]
    assert row["verdict"] == "timeout"
    assert row["accuracy"] is None
    assert row["rank"] is None
    assert re.fullmatch(r"ran out of time (in|after) epoch \d+ of 4000", row["detail"])
    assert row["seconds"] < 12 * WALL_FACTOR + 5


def test_what_the_board_may_reveal_is_the_tasks_word(tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", 1)
    text = (ROOT / "grader/core/tasks/digits.toml").read_text().replace('"digits"', '"quiet"', 1)
    text += "\n[leaderboard]\nlearning_rates = false\nviolations = false\n"
    (tmp_path / "quiet.toml").write_text(text)
    (folder / "bad").mkdir()
    (folder / "bad/scheduler.py").write_text("secret_idea = 1\n")
    assert run(folder, "--sandbox", "sandlock", "--task", "quiet.toml", where=tmp_path).returncode == 0
    found = rows(tmp_path)
    assert found["student", "student00"]["learning_rate"] is None
    assert found["student", "bad"]["verdict"] == "contract"
    assert found["student", "bad"]["violations"] == []
    assert "config.py: the file is missing" in (tmp_path / "results/quiet/submissions/student/bad/log.txt").read_text()

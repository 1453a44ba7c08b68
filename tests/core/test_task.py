"""Task files: what is wrong with one is said with its place, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.core.errors import TaskError
from grader.core.task import Task
from grader.core.task_file import from_json, load, shipped


def written(folder: Path, lines: str) -> str:
    (folder / "mine.toml").write_text(f'name = "mine"\nmodel = "lenet"\n{lines}\n[data]\nsource = "digits"\n')
    return str(folder / "mine.toml")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("seeds = [true]", "seeds.0: Input should be a valid integer"),
        ('seeds = ["1"]', "seeds.0: Input should be a valid integer"),
        ("seeds = []", "seeds: Tuple should have at least 1 item"),
        ("seeds = [1, 1]", "task: a seed stands twice"),
        ('time_limit_s = "300"', "time_limit_s: Input should be a valid number"),
        ("time_limit_s = true", "time_limit_s: Input should be a valid number"),
        ("time_limit_s = inf", "time_limit_s: Input should be a finite number"),
        ("time_limit_s = 2026-11-28", "time_limit_s: Input should be a valid number"),
        ("max_steps = 10.5", "max_steps: Input should be a valid integer"),
        ("image = [2, 32, 32]", "task: image must be [1 or 3, height, width]"),
        ('precision = "float64"', "precision: Input should be 'float32' or 'bfloat16'"),
        ("colour = 1", "colour: there is no such key; known are name, description"),
    ],
)
def test_a_wrong_entry_is_named_once(lines: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError) as caught:
        load(written(tmp_path, lines))
    said = str(caught.value)
    assert "mine.toml: " in said
    assert words in said
    assert said.count("; ") <= 1


def test_a_task_crosses_to_another_process_as_it_is(tmp_path: Path) -> None:
    task = load(written(tmp_path, "seeds = [3, 4]\ntime_limit_s = 20\nimage = [1, 28, 28]"))
    assert from_json(task.model_dump_json(), tmp_path) == task
    assert (task.seeds, task.time_limit_s, task.image, task.folder) == ((3, 4), 20.0, (1, 28, 28), tmp_path)


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_tasks_are_tasks(name: str) -> None:
    assert isinstance(load(name), Task)

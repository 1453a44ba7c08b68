"""Task files: from TOML to a validated task, with complaints that name the place, and across processes as JSON."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from grader.core.errors import TaskError
from grader.core.files import read_ordinary, read_toml
from grader.core.recipe import Frozen
from grader.core.task import SHIPPED, Data, Points, Ranking, Reveal, SandboxLimits, Task, TaskFacts, Trained, Workload


def shipped() -> list[str]:
    """Names of the tasks that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name_or_path: str) -> Task:
    """The shipped task of that name, or the one in that TOML file. Raises TaskError."""
    path = Path(name_or_path)
    file, _, workload = name_or_path.rpartition(".toml:")
    if file and "/" not in workload:
        return _workload_of(load(f"{file}.toml"), workload)
    if path.suffix != ".toml":
        if name_or_path not in shipped():
            raise TaskError(
                f"there is no task {name_or_path!r}: use one of {', '.join(shipped())}, or the path of a .toml file"
            )
        path = SHIPPED / f"{name_or_path}.toml"
    raw = read_toml(path, TaskError)
    _take_first_workload(raw, path)
    try:
        # As JSON, whose lists are tuples and whose strings name members; nothing else is converted: true is no number.
        return _validated(raw, path.resolve().parent)
    except ValidationError as error:
        found = error.errors()
        # What a wrong entry makes of the list that it stands in says nothing more.
        causes = [p for p in found if not any(p is not q and p["loc"] == q["loc"][: len(p["loc"])] for q in found)]
        problems = "; ".join(map(_in_words, causes or found))
        raise TaskError(f"{path}: {problems}") from None


def load_one(name_or_path: str) -> Task:
    """As `load`, for commands about one model and data set. Raises TaskError if the task has several workloads."""
    task = load(name_or_path)
    if task.workload:
        names = ", ".join(f"{name_or_path}:{one.name}" for one in task.workload)
        raise TaskError(f"task {task.name} has several workloads: name one of them, as {names}")
    return task


def _workload_of(task: Task, name: str) -> Task:
    for one, part in zip(task.workload, task.parts, strict=False):
        if one.name == name:
            return part
    known = ", ".join(one.name for one in task.workload) or "none: it has one model and one data set"
    raise TaskError(f"task {task.name} has no workload {name!r}; its workloads are {known}")


def _take_first_workload(raw: dict[str, Any], path: Path) -> None:
    """Give the task the model and the data of its first workload. Raises TaskError if it has others."""
    workloads = raw.get("workload")
    if not isinstance(workloads, list) or not workloads or not isinstance(workloads[0], dict):
        return
    twice = [name for name in Trained.model_fields if name in raw]
    if twice:
        raise TaskError(f"{path}: {', '.join(twice)}: write this into each [[workload]], not at the top of the file")
    raw |= {name: workloads[0][name] for name in Trained.model_fields if name in workloads[0]}


def shipped_facts(task: Task) -> TaskFacts | None:
    """The facts that lie beside a public task's file; None if there are none."""
    try:
        return TaskFacts.model_validate_json(read_ordinary(task.folder / f"{task.name}.facts.json"))
    except OSError:
        return None


def from_json(text: str, folder: Path) -> Task:
    """A task that crossed to another process, as `model_dump_json` wrote it; `folder` is where its files lie there."""
    return _validated(json.loads(text), folder)


def _validated(raw: dict[str, object], folder: Path) -> Task:
    return Task.model_validate_json(json.dumps({**raw, "folder": str(folder)}, default=str))


def _in_words(problem: ErrorDetails) -> str:
    """One of pydantic's complaints about a task file, for the instructor."""
    place = ".".join(map(str, problem["loc"])) or "task"
    if problem["type"] == "extra_forbidden":
        tables: dict[str, type[Frozen]] = {
            "data": Data,
            "sandbox": SandboxLimits,
            "leaderboard": Reveal,
            "ranking": Ranking,
            "points": Points,
            "workload": Workload,
        }
        table = tables.get(str(problem["loc"][0]), Task) if len(problem["loc"]) > 1 else Task
        first = [name for name in ("name", "description") if name in table.model_fields]
        known = ", ".join([*first, *(name for name in table.model_fields if name not in (*first, "folder"))])
        return f"{place}: there is no such key; known are {known}"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"

"""The training process: loads a task's data once, then answers requests over a pipe.

Requests are ("facts",) and ("train", recipe JSON, seed, budget in seconds, workload's number, whether
to measure with the random transforms too); answers are
("facts", ([facts JSON of each workload], environment JSON)), ("epoch", JSON) any number of times, then one of
("run", JSON), ("rejected", [JSON …]), ("task", message) or ("failed", message).
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.core.task import Task
from grader.core.task_file import from_json
from grader.core.verdict import Rule, Violation
from grader.training.memory import USE_LESS, give_back, volunteer

if TYPE_CHECKING:
    from grader.core.recipe import Recipe
    from grader.training.data import ImageData

_PARTS, _ARRAYS = ("train", "test"), ("images", "labels")


def main(connection: "Connection[Any, Any]", file: str, task_json: str, folder: str, device_name: str) -> None:
    """Serve until the pipe ends or the parent dies. `file` is this module's, as the parent has it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is for the grader, which tells us
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic with it only
    threading.Thread(target=_die_with_parent, daemon=True).start()
    volunteer()
    with contextlib.suppress(EOFError, ConnectionError):  # the grader ended: so do we
        if file != __file__:  # the fork server has no other paths than the environment's
            connection.send(("failed", f"the training process has grader from {__file__}, the grader from {file}"))
            return
        _serve(connection, from_json(task_json, Path(folder)), device_name)


def _serve(connection: "Connection[Any, Any]", task: Task, device_name: str) -> None:
    """Load the data and answer, until the pipe ends: EOFError, or ConnectionError."""
    from grader.core.errors import GraderError

    try:
        from grader.training import data

        loaded = [data.load(part) for part in task.parts]
        worker = TrainingWorker(task, loaded, device_name, lambda epoch: connection.send(("epoch", epoch)))
    except GraderError as error:
        connection.send(("task", str(error)))
        return
    except Exception:
        connection.send(("failed", traceback.format_exc()))
        return
    connection.send(("ready",))
    while True:
        connection.send(worker.answer(connection.recv()))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _rejected(rule: Rule, what: str, fix: str) -> tuple[Any, ...]:
    """The answer for a recipe that cannot be trained."""
    return "rejected", [Violation(rule=rule, file="config.py", what=what, fix=fix).model_dump_json()]


def load_shared(task: Task) -> dict[str, Any]:
    """One workload's data as plain arrays and numbers, for processes that share memory. Raises TaskError."""
    from grader.training import data

    loaded = data.load(task)
    parts = {f"{name}_{what}": getattr(getattr(loaded, name), what) for name in _PARTS for what in _ARRAYS}
    return {**parts, "classes": loaded.classes, "hash": loaded.hash}


def shared_data(parts: dict[str, Any]) -> "ImageData":
    """What `load_shared` gave, as a data set; the arrays may be read-only and are not copied."""
    from grader.training import data
    from grader.training.splits import Split

    train, test = (Split(*(parts[f"{name}_{what}"] for what in _ARRAYS)) for name in _PARTS)
    return data.ImageData(train, test, parts["classes"], parts["hash"])


class TrainingWorker:
    """Answers the requests to a training process, of the pool or of Ray."""

    def __init__(
        self, task: Task, data: "Sequence[ImageData]", device_name: str, report: Callable[[str], None]
    ) -> None:
        """`data` is that of each workload. `report` is called with each epoch's record as JSON."""
        import torch

        from grader.core.limits import limit_memory
        from grader.training import loop

        self.parts, self.report = list(zip(task.parts, data, strict=True)), report
        self.device = torch.device(device_name)
        loop.prepare_process(self.device)
        self._memory_mb = task.memory_mb
        self._fits = False  # the first part has been rehearsed
        if self.device.type == "cpu":
            with contextlib.suppress(Exception):  # said where the facts are asked for
                loop.rehearse(*self.parts[0], self.device)  # what torch takes for its first step is no training's
                self._fits = True
            limit_memory(self._memory_mb)

    def answer(self, request: tuple[Any, ...]) -> tuple[Any, ...]:
        """The answer to a request, as in the module's list; raises nothing."""
        from grader.core.errors import TaskError
        from grader.core.recipe import Recipe
        from grader.core.verdict import RejectedError

        part, recipe = 0, None
        try:
            if request[0] == "facts":
                facts = []
                for part in range(len(self.parts)):
                    facts.append(self.facts(part).model_dump_json())
                return "facts", (facts, self.info().model_dump_json())
            _, recipe_json, seed, budget_s, part, augmented = request
            recipe = Recipe.model_validate_json(recipe_json)
            return self.train(recipe, seed, budget_s, part, augmented)
        except RejectedError as error:
            return "rejected", [v.model_dump_json() for v in error.violations]
        except TaskError as error:
            return "task", str(error)
        except Exception as error:
            return self.blame(error, part, recipe)

    def blame(self, error: Exception, part: int, recipe: "Recipe | None") -> tuple[Any, ...]:
        """Decide whether an error during a training is the recipe's: it is if a plain training still works here."""
        import torch

        from grader.training import loop

        said = traceback.format_exc()
        text = "".join(c if c.isprintable() else " " for c in f"{type(error).__name__}: {error}")[:600]
        memory = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in text
        if memory:
            traceback.clear_frames(error.__traceback__)  # they hold what filled it
            give_back()
            allowed = f"the {self._memory_mb} MB that the task allows" if self.device.type == "cpu" else "there is"
            # That a plain training fits was seen when the task was looked at.
            batches = f", with batches of {recipe.batch_size} images" if recipe else ""
            return _rejected(Rule.RESOURCES, f"the training needs more memory than {allowed}{batches}", USE_LESS)
        if self.device.type == "cuda" or "CUDA error" in text:
            return "failed", said  # a CUDA error leaves the whole process unusable: a fresh one must say
        task, data = self.parts[part]
        try:
            loop.rehearse(task, data, self.device)
        except Exception:
            return "task", f"task {task.name}: its own model and data cannot be trained on: {text}"
        fix = "try the same optimizer settings and transforms in a loop of your own"
        return _rejected(Rule.RAISED, f"the training fails: {text}", fix)

    def facts(self, part: int) -> Any:
        """The TaskFacts of a workload. Raises TaskError if its model cannot be trained."""
        from grader.core.errors import TaskError
        from grader.training import loop, models

        task, data = self.parts[part]
        facts = models.facts_of(task, data)
        if not facts.parameters:
            raise TaskError(f"task {task.name}: the model {task.model} has no parameters to train")
        if part == 0 and self._fits:
            return facts
        try:
            loop.rehearse(task, data, self.device)
        except TaskError:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise TaskError(f"task {task.name}: the model {task.model} cannot be trained: {problem}") from error
        return facts

    def info(self) -> Any:
        """The Environment of the trainings of this process."""
        from grader.training.device import environment

        return environment(self.device)

    def train(self, recipe: "Recipe", seed: int, budget_s: float, part: int, augmented: bool) -> tuple[Any, ...]:
        """The answer "run" for one training. Raises RejectedError or TaskError."""
        from grader.training import loop

        run = loop.train(
            recipe,
            *self.parts[part],
            seed,
            self.device,
            budget_s,
            on_epoch=lambda record: self.report(record.model_dump_json()),
            augmented=augmented,
        )
        return "run", run.model_dump_json()

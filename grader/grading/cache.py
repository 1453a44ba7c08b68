"""Finished work, kept so that it is never done twice: compilations and trainings by complete keys.

A key is the hash of everything that decides the outcome. What cannot be read back (an older
version's file, a damaged one) is kept aside and made again.
"""

import contextlib
import hashlib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from grader.core.environment import LIBRARIES, TrainerInfo
from grader.core.files import write_atomically
from grader.core.recipe import Frozen, Recipe, canonical
from grader.core.runs import SeedRun
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.compiled import Compiled
from grader.submissions.loader import Submission

F = TypeVar("F", bound=Frozen)


class Store:
    """Results of one task in `folder`."""

    def __init__(self, folder: Path, task: Task, facts: TaskFacts, trainer: TrainerInfo) -> None:
        self.folder = folder
        self._damaged: list[Path] = []
        self._task, self._facts, self._trainer = task, facts, trainer

    def damaged(self) -> list[Path]:
        """Files that could not be read since the last call, under the names that they are kept by."""
        found, self._damaged = self._damaged, []
        return found

    def _read(self, path: Path, kind: type[F]) -> F | None:
        try:
            return kind.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            aside = path.with_name(f"{path.name}.damaged")
            with contextlib.suppress(OSError):
                path.replace(aside)
                self._damaged.append(aside)
            return None

    def _path(self, kind: str, parts: dict[str, object]) -> Path:
        key = hashlib.sha256(canonical(parts).encode()).hexdigest()
        return self.folder / kind / key[:2] / f"{key}.json"

    def _run_path(self, recipe: Recipe, seed: int) -> Path:
        return self._path(
            "runs",
            {
                "recipe": recipe.key,
                "seed": seed,
                "task": self._task.training_key,
                "data": self._facts.data_hash,
                "model": self._facts.model_hash,
                "trainer": self._trainer.version,
                "libraries": [self._trainer.torch, self._trainer.torchvision, *LIBRARIES],
                "device": self._trainer.device,
            },
        )

    def run(self, recipe: Recipe, seed: int, budget_s: float) -> SeedRun | None:
        """The stored training; a timeout counts only where no more time is on offer now."""
        found = self._read(self._run_path(recipe, seed), SeedRun)
        if found is not None and found.verdict is Verdict.TIMEOUT and found.seconds < 0.95 * budget_s:
            return None
        return found

    def keep_run(self, recipe: Recipe, run: SeedRun) -> None:
        """Store a finished training."""
        write_atomically(self._run_path(recipe, run.seed), run.model_dump_json())

    def _compiled_path(self, submission: Submission, sandbox: str) -> Path:
        return self._path(
            "compiled",
            {
                "submission": submission.content_key,
                "problems": [str(p) for p in submission.problems],
                "sandbox": sandbox,
                "limits": self._task.sandbox.model_dump(mode="json"),
                "time_limit_s": self._task.time_limit_s,
                "max_steps": self._task.max_steps,
                "n_train": self._facts.n_train,
                "image": self._facts.image,
                "parameters": [p.model_dump(mode="json") for p in self._facts.parameters],
                "probe": probe_hash(),
                "libraries": [self._trainer.torch, self._trainer.torchvision, *LIBRARIES],
            },
        )

    def compiled(self, submission: Submission, sandbox: str) -> Compiled | None:
        """The stored compilation by that sandbox."""
        return self._read(self._compiled_path(submission, sandbox), Compiled)

    def keep_compiled(self, submission: Submission, sandbox: str, compiled: Compiled) -> None:
        """Store a compilation; not one that failed on our side, nor one that a busy machine may have timed out."""
        if compiled.verdict not in (Verdict.INTERNAL, Verdict.TIMEOUT):
            write_atomically(self._compiled_path(submission, sandbox), compiled.model_dump_json())


def probe_hash() -> str:
    """SHA-256 of the code that compiles and checks: a change of rules compiles everybody again."""
    package = Path(__file__).parents[1]
    sources = [*sorted((package / "sandbox").rglob("*.py")), package / "core/recipe.py"]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()

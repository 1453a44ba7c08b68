"""The cache: compilations and trainings, stored under the hash of all their inputs.

A key is the hash of everything that decides the outcome. A damaged file is renamed and its content made
again; a file that cannot be read for another reason (no descriptor left, a failing disk) is an error.
"""

import contextlib
import hashlib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from grader.core.environment import Environment
from grader.core.errors import SetupError
from grader.core.files import write_atomically
from grader.core.recipe import Frozen, Recipe, canonical
from grader.core.runs import SeedRun
from grader.core.source_hash import source_hash
from grader.core.task import Task, TaskFacts
from grader.core.verdict import Verdict
from grader.sandbox.base import Sandbox
from grader.sandbox.compile import compile_submission
from grader.sandbox.compiled import Compiled
from grader.submissions.loader import Submission

#: The modules of grader that a submission goes through on its way to a recipe.
_COMPILER = ("core", "submissions", "sandbox")
F = TypeVar("F", bound=Frozen)


class Cache:
    """Results of one task in `folder`."""

    def __init__(self, folder: Path, task: Task, facts: TaskFacts, environment: Environment) -> None:
        self.folder = folder
        self._damaged: list[Path] = []
        self._task, self._facts, self._environment = task, facts, environment

    def damaged(self) -> list[Path]:
        """Files that could not be parsed since the last call, under the names that they are kept by."""
        found, self._damaged = self._damaged, []
        return found

    def _read(self, path: Path, kind: type[F]) -> F | None:
        """What is stored at `path`; None if there is no file or it is damaged. Raises SetupError."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SetupError(f"{path} cannot be read: {error.strerror}: fix this, then run again") from error
        try:
            return kind.model_validate_json(data)
        except ValidationError:
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
                **self._environment.deciding,
            },
        )

    def run(self, recipe: Recipe, seed: int, budget_s: float) -> SeedRun | None:
        """The stored training; a stored timeout counts only if no more time is available now. Raises SetupError."""
        found = self._read(self._run_path(recipe, seed), SeedRun)
        return found if found is not None and answers(found, budget_s) else None

    def keep_run(self, recipe: Recipe, run: SeedRun) -> None:
        """Store a finished training, unless it failed on our side or a busy machine may have caused its timeout."""
        if run.verdict.ranked or (run.verdict is Verdict.TIMEOUT and run.certain):
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
                "attribution": self._task.attribution,
                "n_train": self._facts.n_train,
                "image": self._facts.image,
                **self._facts.model_as_json(),
                "compiler": source_hash(*_COMPILER),
            },
        )

    def compiled(self, submission: Submission, sandbox: str) -> Compiled | None:
        """The stored compilation by that sandbox. Raises SetupError."""
        return self._read(self._compiled_path(submission, sandbox), Compiled)

    def compile(self, submission: Submission, sandbox: Sandbox) -> Compiled:
        """The stored compilation, or else a new one by `sandbox`, which is then stored. Raises SetupError."""
        compiled = self.compiled(submission, sandbox.version)
        return self.compile_anew(submission, sandbox) if compiled is None else compiled

    def compile_anew(self, submission: Submission, sandbox: Sandbox) -> Compiled:
        """A new compilation by `sandbox`, which replaces a stored one. Raises SetupError."""
        compiled = compile_submission(submission, sandbox, self._task, self._facts)
        self.keep_compiled(submission, sandbox.version, compiled)
        return compiled

    def keep_compiled(self, submission: Submission, sandbox: str, compiled: Compiled) -> None:
        """Store a compilation, unless it failed on our side or a busy machine may have caused its timeout."""
        if compiled.verdict not in (Verdict.INTERNAL, Verdict.TIMEOUT):
            write_atomically(self._compiled_path(submission, sandbox), compiled.model_dump_json())


def answers(run: SeedRun, budget_s: float) -> bool:
    """Whether a stored training holds for `budget_s` seconds: a timeout only for no more than it had itself."""
    return run.verdict is not Verdict.TIMEOUT or (run.limit_s or 0.0) >= budget_s

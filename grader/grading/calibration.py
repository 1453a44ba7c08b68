"""What `grader calibrate` found about a task, stored with its results for `grader doctor`."""

from pathlib import Path

from pydantic import ValidationError

from grader.core.files import write_atomically
from grader.core.recipe import Frozen
from grader.core.task import TaskFacts

_FILE = "calibration.json"


class CalibrationNote(Frozen):
    """The outcome in a sentence, and what of the task it holds for."""

    data_hash: str
    model_hash: str
    tells_apart: bool  # whether any decaying reference surely beats the default
    outcome: str

    def holds_for(self, facts: TaskFacts) -> bool:
        """Whether the task's data and model are still those."""
        return (self.data_hash, self.model_hash) == (facts.data_hash, facts.model_hash)


def keep(folder: Path, note: CalibrationNote) -> None:
    """Write the note into the task's folder of results. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _FILE, note.model_dump_json(indent=1) + "\n")


def kept(folder: Path) -> CalibrationNote | None:
    """The note in the task's folder of results; None if it is missing or unreadable."""
    try:
        return CalibrationNote.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):
        return None

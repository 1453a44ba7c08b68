"""`grader feedback`: a folder per student, and the archive that a learning-management system takes back."""

from pathlib import Path

from grader.core.errors import UsageError
from grader.core.files import write_atomically
from grader.core.text import clean
from grader.leaderboard.models import Leaderboard
from grader.publish.feedback import PAGE, TEXT, feedback_for, packed, write
from grader.submissions.intake import Layout, discover, feedback_name
from grader.submissions.roster import match, read_roster

_UPLOAD = {
    Layout.MOODLE: "Moodle (assignment, Upload multiple feedback files in a zip)",
    Layout.CANVAS: "Canvas (Gradebook, the assignment's menu, Upload Submissions)",
}


def run_feedback(
    board: Leaderboard, out: Path, submissions: Path | None, layout: Layout, roster: Path | None, *, final: bool
) -> None:
    """Write what each student gets. Raises GraderError."""
    names = _names(submissions, layout, roster) if submissions is not None else {}
    made = list(feedback_for(board, final=final))
    folders = write(made, out)
    print(f"wrote feedback for {len(folders)} student(s) to {out}")
    for system in _UPLOAD:
        if system not in names:
            (out / f"{system.value}.zip").unlink(missing_ok=True)  # of an earlier call: no longer true
    for system, known in names.items():
        path = out / f"{system.value}.zip"
        if without := sorted(known.keys() - {one.id for one in made}):
            print(clean(f"handed in, but not on the board: {', '.join(without)} (see --roster and --leaderboard)"))
        if len(without) == len(known):
            path.unlink(missing_ok=True)
            raise UsageError(f"nobody in {submissions} is on the board: there is nothing to upload")
        write_atomically(path, packed(made, known))
        print(f"wrote {path}: for {_UPLOAD[system]}")
        if left := [one.id for one in made if one.id not in known]:
            print(clean(f"not in it, since {system.value.capitalize()} gave out nothing of theirs: {', '.join(left)}"))


def _names(submissions: Path, layout: Layout, roster: Path | None) -> dict[Layout, dict[str, tuple[str, str]]]:
    """By system: the file for each student, and its name there. Raises UsageError if no system takes anything back."""
    matched = match(discover(submissions, layout), read_roster(roster) if roster is not None else ())
    found: dict[Layout, dict[str, tuple[str, str]]] = {}
    for one in matched.found.hand_ins:
        # Canvas shows it as the file that was handed in, which is no page.
        file = TEXT if one.layout is Layout.CANVAS else PAGE
        if (name := feedback_name(one, file)) is not None:
            found.setdefault(one.layout, {})[one.submission.id] = (file, name)
    if not found:
        raise UsageError(f"{submissions} is no download of Moodle or Canvas: leave out --submissions")
    return found

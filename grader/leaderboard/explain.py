"""`grader explain`: why a row has its rank, in sentences."""

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from grader.core.kind import Kind
from grader.core.statistics import CONFIDENCE, Difference
from grader.core.task import Counting, RankBy
from grader.core.task_file import shipped
from grader.core.verdict import MARKS, MEANINGS
from grader.leaderboard.history import all_of
from grader.leaderboard.models import Beats, Leaderboard, RankedRow
from grader.leaderboard.significance import Comparison


def explain(row: RankedRow, board: Leaderboard, board_path: str) -> list[str]:
    """Paragraphs about one row of a settled board: verdict, recipe, seeds, score, rank, history, versions."""
    lines = [f"{row.id} ({', '.join(row.team) or row.kind})", f"Verdict: {row.verdict}: {MEANINGS[row.verdict]}."]
    lines += [f"  {violation}" for violation in row.violations]
    lines += [f"Marked: {mark}: {MARKS[mark]}." for mark in row.marks]
    lines += _decisions(row, board)
    if row.detail:
        lines.append(f"  {row.detail.splitlines()[-1]}")
    lines += _recipe(row)
    if row.scored:
        lines += [*_score(row, board), *_rank(row, board), *_default(row, board), *_contribution(row)]
    elif row.workloads:
        lines += _workloads(row, board)
    lines += _history(row, board)
    made = board.environments.get(row.environment, board.environment)
    commit = f", commit {made.commit[:12]}" if made.commit else ""
    lines.append(
        f"Made by: grader {made.grader}{commit}, trainer {made.trainer[:12]}, torch {made.torch}, torchvision "
        f"{made.torchvision}, {', '.join((*made.libraries, f'Python {made.python}'))}, on {row.device or made.device}; "
        f"compiled in sandbox {row.sandbox or 'unknown'}; graded {row.graded}."
    )
    lines.append(
        f"To reproduce: grader run SUBMISSIONS --task {_task_of(board)} --force --results /tmp/again --leaderboard "
        f"/tmp/again.json, with a folder that holds the files of SHA-256 {row.submission[:16]} as {row.id}; the same "
        f"recipe, seed and kind of device give the same accuracy to the bit. This is read from {board_path}."
    )
    return lines


def _decisions(row: RankedRow, board: Leaderboard) -> list[str]:
    made = board.decisions.told(row.id) if row.kind is Kind.STUDENT else []
    if not made:
        return []
    lines = ["Decisions of the course, which leave the automatic result as it is:"]
    lines += [f"  {one}" for one in made]
    decided = board.ruling(row).points
    return lines if decided is None else [*lines, f"  Points in the gradebook: {decided:g}."]


def _task_of(board: Leaderboard) -> str:
    """What `--task` takes."""
    return board.task.name if board.task.name in shipped() else f"FILE.toml (the file of task {board.task.name})"


def _recipe(row: RankedRow) -> list[str]:
    if row.recipe is None:
        return []
    rate = row.learning_rate
    course = (
        f"; learning rate from {rate.first:.4g} to {rate.last:.4g}, between {rate.lowest:.4g} and {rate.highest:.4g}, "
        f"over {rate.steps} steps"
        if rate
        else ""
    )
    epochs = "epoch" if row.epochs == 1 else "epochs"
    return [
        f"Recipe {row.recipe[:16]}: {row.optimizer}, batch size {row.batch_size}, {row.epochs} {epochs}{course}. Equal "
        "recipes are one training."
    ]


def _workloads(row: RankedRow, board: Leaderboard) -> list[str]:
    lines = []
    for one in board.task.workloads:
        found = row.on(one.name)
        what = "not begun, since another workload had failed"
        if found is not None:
            error = f" ± {100 * found.standard_error:.2f}" if found.standard_error is not None else ""
            what = found.verdict + (f", {100 * found.accuracy:.2f}{error} %" if found.accuracy is not None else "")
            what += " (that of guessing)" if found.guessing else ""
        lines.append(f"  Workload {one.name}, weight {one.weight:.0%}: {what}.")
    return lines


def _ranked_by(row: RankedRow, by: RankBy) -> str:
    """What the row is ranked by, with its value if that depends on the other rows."""
    if row.score is None:
        return "mean accuracy, since the rule cannot be applied" if by.relative else by.value
    if by is RankBy.MEAN_RANK:
        return f"mean rank over workloads and seeds, references included: {row.score:.2f}"
    return f"share of the gap between the default scheduler and the best reference of each workload: {row.score:.2f}"


def _score(row: RankedRow, board: Leaderboard) -> list[str]:
    if row.workloads:
        each = ", ".join(f"{s.seed}: {100 * s.accuracy:.2f} %" for s in row.seeds if s.accuracy is not None)
        lines = [f"Accuracy {100 * (row.accuracy or 0):.2f} %, the weighted mean over the workloads; by seed {each}."]
        return lines + _workloads(row, board)
    each = ", ".join(f"{s.seed}: {100 * s.accuracy:.2f} %" for s in row.seeds if s.accuracy is not None)
    error = f", standard error {100 * row.standard_error:.2f}" if row.standard_error is not None else ""
    return [f"Seeds {each}. Score: their mean, {100 * (row.accuracy or 0):.2f} %{error}."]


def points(difference: Difference) -> str:
    """A difference in percentage points, with its interval where there is one."""
    if difference.low is None or difference.high is None:
        return f"{100 * difference.mean:+.2f} points (one seed: no interval)"
    interval = f"{100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
    return f"{100 * difference.mean:+.2f} points ({CONFIDENCE:.0%} interval {interval})"


def _gap(difference: Difference, by: RankBy) -> str:
    """A difference in the unit of what is ranked by."""
    if not by.relative:
        return points(difference)
    unit = "ranks" if by is RankBy.MEAN_RANK else "of the gap"
    if difference.low is None or difference.high is None:
        return f"{difference.mean:.2f} {unit} (one seed: no interval)"
    return f"{difference.mean:.2f} {unit} ({CONFIDENCE:.0%} interval {difference.low:+.2f} to {difference.high:+.2f})"


def _rank(row: RankedRow, board: Leaderboard) -> list[str]:
    if row.kind is not Kind.STUDENT:
        return ["It is a reference: it stands among the students without a rank."]
    by = board.task.ranking.by
    if status := board.ruling(row).status:
        return [f"No rank: it is {status}. The others stand as if it were not there."]
    if not board.compares(row):
        return [
            f"No rank: it was trained on {row.device or 'an unknown device'}, and the board ranks what "
            f"{board.policy.only_device} gave. Kinds of device are not compared; the next run with this submission "
            "grades it on its own."
        ]
    students = [r for r in board.rows if r.kind is Kind.STUDENT and r.rank is not None]
    comparison = Comparison([r for r in board.rows if board.compares(r)], board.task, by)
    lines = [f"Rank {row.rank} of {len(students)}, by {_ranked_by(row, by)}."]
    if row.former_rank is not None:
        lines.append(f"The grading before would be rank {row.former_rank} among the others as they are now.")
    if row.rank_interval:
        lines.append(
            "Its rank may be any from {} to {} (95 %, for all students at once: all pairs are judged together).".format(
                *row.rank_interval
            )
        )
    elif len(row.seeds) > 1 and len(students) > 1 and comparison.steady(row) and comparison.noise(row) is not None:
        tied = sum(r.rank == row.rank for r in students) > 1
        lines.append(f"Every {'student of another rank' if tied else 'other student'} is surely above or below it.")
    if by is RankBy.ACCURACY and len(row.seeds) > 1:
        lines.append(f"Under other rules: {', '.join(_under_other_rules(row, students))}.")
    if row.to_next is not None:
        lines.append(f"To the next student: {_gap(row.to_next, by)}.")
    if not by.relative:
        lines.append(comparison.about(row))
    return lines


def _under_other_rules(row: RankedRow, students: Sequence[RankedRow]) -> Iterator[str]:
    """The rank of `row` by other sensible rules."""

    def accuracies(student: RankedRow) -> list[float]:
        return [s.accuracy for s in student.seeds if s.accuracy is not None]

    def rank(score: Callable[[RankedRow], float]) -> int:
        return 1 + sum(score(student) > score(row) for student in students)

    yield f"rank {rank(lambda student: median(accuracies(student)))} by the median of the seeds"
    yield f"{rank(lambda student: min(accuracies(student)))} by the worst seed"
    balanced = {r.id: [s.balanced for s in r.seeds if s.balanced is not None] for r in students}
    if all(balanced.values()):
        found = {name: fmean(values) for name, values in balanced.items()}
        yield f"{rank(lambda student: found[student.id])} by balanced accuracy (each class counts the same)"


def _default(row: RankedRow, board: Leaderboard) -> list[str]:
    if row.to_default is None:
        return []
    return [f"Beats the default scheduler: {row.beats_default or Beats.UNSURE}; {points(row.to_default)}."]


def _contribution(row: RankedRow) -> list[str]:
    if row.contribution is None or row.baseline is None:
        return []
    if row.contribution.low == row.contribution.high == 0.0:
        why = "since its rate is constant" if row.is_constant else "it does as well as its constant rate, seed by seed"
        return [f"Contribution of the scheduler: 0, {why}."]
    return [
        f"Contribution of the scheduler: {points(row.contribution)}, against {100 * row.baseline:.2f} % of the same "
        "configuration at its constant rate with the same seeds."
    ]


def _history(row: RankedRow, board: Leaderboard) -> list[str]:
    rule = "the latest counts" if board.task.counts is Counting.LATEST else "the best counts"
    limit = board.task.ranking.max_gradings
    gradings = all_of(row)
    lines = [f"{len(gradings)} grading(s); {rule}" + (f", of the first {limit} submissions." if limit else ".")]
    for past in gradings:
        accuracy = f", {100 * past.accuracy:.2f} %" if past.accuracy is not None else ""
        standing = (
            "counts" if past.number == row.number else "graded again since" if past.regraded else "does not count"
        )
        lines.append(f"  {past.number}. {past.graded[:16].replace('T', ' ')} UTC: {past.verdict}{accuracy}: {standing}")
    return lines

"""Which of a submission's gradings counts, and what becomes of the others.

Gradings are numbered in the order in which they were made. A grading of other files, or with another
outcome, is a new one; one that comes out as the last did is the same one. When the same files come out
differently (a new trainer, another machine), that is a re-grade: the former score stays in the history,
marked, and never counts again. Of the rest the task's rule chooses. Nothing is ever forgotten.
"""

from collections.abc import Sequence

from grader.core.kind import Kind
from grader.core.task import Counting, RankBy
from grader.core.verdict import Verdict
from grader.leaderboard.models import Graded, Past, Row


def merged(
    former: Row | None,
    new: Row,
    rule: Counting,
    limit: int | None = None,
    by: RankBy = RankBy.ACCURACY,
    *,
    mixed: bool = False,
) -> Row:
    """The row after one more grading; `limit` is how many submissions of a student may count.

    Unless kinds of device are `mixed`, the best is that among the gradings on the kind which graded last. A fault of
    ours (`internal`) takes nobody's score away.
    """
    if former is None or former.verdict is Verdict.INTERNAL:
        return new
    if new.verdict is Verdict.INTERNAL:
        return former
    gradings = all_of(former)
    last = gradings[-1]
    if _same(last, new):
        if len(new.seeds) < len(last.seeds) or (last.verdict.ranked and not new.verdict.ranked):
            return former  # fewer seeds of what is known better; or one seed more, which failed
        gradings[-1] = _past(new).model_copy(update={"graded": last.graded, "number": last.number})
    else:
        gradings = [g.model_copy(update={"regraded": True}) if g.submission == new.submission else g for g in gradings]
        gradings.append(_past(new).model_copy(update={"number": last.number + 1}))
    return _counted(new, gradings, rule, limit, by, mixed)


def recounted(
    row: Row, rule: Counting, limit: int | None = None, by: RankBy = RankBy.ACCURACY, *, mixed: bool = False
) -> Row:
    """The row under a rule that may have changed since."""
    return _counted(row, all_of(row), rule, limit, by, mixed) if row.history else row


def points_of(grading: Graded, by: RankBy) -> float:
    """What a grading with a score is ranked by; the lowest of all where its contribution is not known."""
    if by is RankBy.CONTRIBUTION:
        return -2.0 if grading.constant is None else (grading.accuracy or 0.0) - grading.constant
    return grading.accuracy or 0.0


def all_of(row: Row) -> list[Past]:
    """Every grading of a row, the counting one too, in the order in which they were made."""
    return sorted((*row.history, _past(row)), key=lambda grading: grading.number)


def _same(a: Graded, b: Graded) -> bool:
    """Whether two gradings came out alike. One may have more seeds: what both have must agree."""
    if (a.submission, a.recipe) != (b.submission, b.recipe):
        return False
    ours, theirs = ({s.seed: (s.verdict, s.accuracy) for s in grading.seeds} for grading in (a, b))
    common = ours.keys() & theirs.keys()
    if not common:
        return not (ours or theirs) and a.verdict is b.verdict
    return all(ours[seed] == theirs[seed] for seed in common)


def _past(row: Row) -> Past:
    return Past.model_construct(**{name: getattr(row, name) for name in Graded.model_fields})


def _within(gradings: Sequence[Past], limit: int | None) -> list[Past]:
    """The gradings of the first `limit` submissions: the same files graded again are no further one."""
    files = list(dict.fromkeys(g.submission for g in gradings))
    return [g for g in gradings if limit is None or files.index(g.submission) < limit]


def _counted(row: Row, gradings: Sequence[Past], rule: Counting, limit: int | None, by: RankBy, mixed: bool) -> Row:
    valid = [g for g in _within(gradings, limit if row.kind is Kind.STUDENT else None) if not g.regraded]
    counts = valid[-1]
    if rule is Counting.BEST and row.kind is Kind.STUDENT:
        scored = [g for g in valid if g.scored and (mixed or g.device == counts.device)]
        counts = max(scored, key=lambda g: (points_of(g, by), -g.number), default=counts)
    fields = {name: getattr(counts, name) for name in Graded.model_fields}
    others = tuple(g for g in gradings if g is not counts)
    return Row.model_construct(**fields, id=row.id, kind=row.kind, rank=row.rank, history=others)

"""Which of a submission's gradings counts, and what happens to the others.

Gradings are numbered in the order in which they were made. A grading of other files, or with another
outcome, is a new one; one that comes out as the last did is the same one. When the same files come out
differently (a new trainer, another machine), that is a re-grade: the former score stays in the history,
marked, and never counts again. The task's rule chooses among the others. No grading is ever dropped.
"""

from collections.abc import Sequence

from grader.core.kind import Kind
from grader.core.task import Counting, RankBy
from grader.core.verdict import Verdict
from grader.leaderboard.models import GradedRow, Grading, PastGrading, RankingPolicy


def merged(former: GradedRow | None, new: GradedRow, policy: RankingPolicy) -> GradedRow:
    """The row after one more grading.

    Unless kinds of device are mixed, the best is that among the gradings on the kind which graded last. A fault of
    ours (`internal`) takes nobody's score away.
    """
    if former is None or former.verdict is Verdict.INTERNAL:
        return new
    if new.verdict is Verdict.INTERNAL:
        return former
    gradings = all_of(former)
    last = gradings[-1]
    if len(new.seeds) > len(last.seeds) and last.submission == new.submission and _guessed(new) - _guessed(last):
        return former  # one seed more, which failed on a workload
    if _same(last, new):
        if len(new.seeds) < len(last.seeds) or (last.verdict.ranked and not new.verdict.ranked):
            return former  # fewer seeds of what is known better; or one seed more, which failed
        # What graded it is what made the score, not who took it from the cache since.
        environment = last.environment if last.device == new.device and len(last.seeds) == len(new.seeds) else None
        gradings[-1] = PastGrading.of(new, number=last.number, graded=last.graded, environment=environment)
    else:
        gradings = [_void(g) if g.submission == new.submission else g for g in gradings]
        gradings.append(PastGrading.of(new, number=last.number + 1, graded=new.graded))
    return _counted(new, gradings, policy)


def recounted(row: GradedRow, policy: RankingPolicy) -> GradedRow:
    """The row under a policy that may have changed since."""
    return _counted(row, all_of(row), policy) if row.history else row


def points_of(grading: Grading, by: RankBy) -> float:
    """What a grading with a score is ranked by; the lowest of all where its contribution is not known."""
    if by is RankBy.CONTRIBUTION:
        return -2.0 if grading.baseline is None else (grading.accuracy or 0.0) - grading.baseline
    return grading.accuracy or 0.0


def all_of(row: GradedRow) -> list[PastGrading]:
    """Every grading of a row, the counting one too, in the order in which they were made."""
    counting = PastGrading.of(row, number=row.number, graded=row.graded)
    return sorted((*row.history, counting), key=lambda grading: grading.number)


def _guessed(grading: Grading) -> set[str]:
    """The workloads that count as guessing."""
    return {one.name for one in grading.workloads if one.guessing}


def _void(grading: PastGrading) -> PastGrading:
    return PastGrading.of(grading, number=grading.number, graded=grading.graded, regraded=True)


def _same(a: Grading, b: Grading) -> bool:
    """Whether two gradings came out alike. One may have more seeds: what both have must agree."""
    if (a.submission, a.recipe) != (b.submission, b.recipe):
        return False
    ours, theirs = ({s.seed: (s.verdict, s.accuracy) for s in grading.seeds} for grading in (a, b))
    common = ours.keys() & theirs.keys()
    if not common:
        return not (ours or theirs) and a.verdict is b.verdict
    return all(ours[seed] == theirs[seed] for seed in common)


def _within(gradings: Sequence[PastGrading], limit: int | None) -> list[PastGrading]:
    """The gradings of the first `limit` submissions: the same files graded again are no further one."""
    files = list(dict.fromkeys(g.submission for g in gradings))
    return [g for g in gradings if limit is None or files.index(g.submission) < limit]


def _counted(row: GradedRow, gradings: Sequence[PastGrading], policy: RankingPolicy) -> GradedRow:
    limit = policy.max_gradings if row.kind is Kind.STUDENT else None
    valid = [g for g in _within(gradings, limit) if not g.regraded]
    counts = valid[-1]
    if policy.counts is Counting.BEST and row.kind is Kind.STUDENT:
        scored = [g for g in valid if g.scored and (policy.mix_device_kinds or g.device == counts.device)]
        counts = max(scored, key=lambda g: (points_of(g, policy.by), -g.number), default=counts)
    return GradedRow.of(counts, row.id, row.kind, tuple(g for g in gradings if g is not counts))

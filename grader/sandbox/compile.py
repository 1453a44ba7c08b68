"""Compiles a submission to a recipe or a verdict: the only way from student files to data."""

import re
import signal

from grader.core.task import Attribution, Task, TaskFacts
from grader.core.text import clean
from grader.core.verdict import Rule, Verdict, Violation
from grader.sandbox.base import Ending, Outcome, Sandbox, job_of, limits_of
from grader.sandbox.compiled import Compiled
from grader.sandbox.document import BrokenDocument, read_document
from grader.sandbox.inside.cpu_limit import ENDLESS_FIX, used_up
from grader.sandbox.inside.supervisor import WALL_FACTOR, Limits
from grader.submissions.loader import Submission
from grader.submissions.manifest import read_manifest
from grader.submissions.tree import CODE, FILES

#: Words without which a schedule can hardly depend on clock or chance. Whoever hides them gains
#: nothing (a recipe is a recipe); they only decide whether compiling twice pays. One pass over the text, since it is
#: a student's: Python's tokenizer needs hours for some files of the size that we take.
_CHANCE = re.compile(rb"rand|seed|time|clock|uuid|secret|hash|\bid\b|getpid|environ|entropy|\bnow\b")
_COMMENT = re.compile(rb"#[^\r\n]*")
_INTERNAL_RETRIES = 2


def compile_submission(submission: Submission, sandbox: Sandbox, task: Task, facts: TaskFacts) -> Compiled:
    """Read the manifest, run the probe, and collect all that is wrong at once.

    A schedule that names clock or chance is compiled a second time in a fresh sandbox: where the
    two differ, that is a violation. A failure of the sandbox is retried, then `internal`.
    """
    manifest, problems = read_manifest(submission.files)
    unnamed = [v for v in problems if v.rule is Rule.ATTRIBUTION and task.attribution is not Attribution.REQUIRE]
    warnings = tuple(unnamed) if task.attribution is Attribution.WARN else ()
    violations = [*submission.problems, *(v for v in problems if v not in unnamed)]
    texts = all(_is_text(submission.files.get(name, b""), name, violations) for name in CODE)
    if not texts or not all(name in submission.files for name in CODE):
        return Compiled(
            verdict=Verdict.CONTRACT,
            violations=_ordered(violations),
            warnings=warnings,
            manifest=manifest,
            sandbox=sandbox.name.value,
            seconds=0.0,
        )
    first = _run(submission, sandbox, task, facts)
    if first.recipe is not None and any(_names_chance(submission.files[name]) for name in CODE):
        second = _run(submission, sandbox, task, facts)
        if second.verdict not in (Verdict.OK, Verdict.CONTRACT):
            first = second
        elif second.recipe != first.recipe:
            what = "the schedule differs from run to run"
            fix = "remove what depends on chance, the clock or the process (or seed it); a score must be repeatable"
            violation = Violation(rule=Rule.DETERMINISTIC, file="scheduler.py", what=what, fix=fix)
            first = first.rejected(Verdict.CONTRACT, (*first.violations, violation))
    first = first.of_manifest(manifest, warnings)
    violations += first.violations
    if not violations or first.verdict is Verdict.INTERNAL:
        return first
    verdict = first.verdict if first.verdict is not Verdict.OK else Verdict.CONTRACT
    return first.rejected(verdict, _ordered(violations), draft=first.recipe)


def _names_chance(source: bytes) -> bool:
    """Whether the code (not a comment) names chance or the clock."""
    return _CHANCE.search(_COMMENT.sub(b"", source)) is not None


def _is_text(data: bytes, name: str, violations: list[Violation]) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        violations.append(
            Violation(
                rule=Rule.FILES,
                file=name,
                line=data[: error.start].count(b"\n") + 1,
                what="is not a UTF-8 text",
                fix="save it as UTF-8",
            )
        )
        return False
    return True


def _ordered(violations: list[Violation]) -> tuple[Violation, ...]:
    order = {name: index for index, name in enumerate(FILES)}
    return tuple(sorted(violations, key=lambda v: (order.get(v.file, len(order)), v.line or 0)))


def _run(submission: Submission, sandbox: Sandbox, task: Task, facts: TaskFacts) -> Compiled:
    job, limits = job_of(submission, task, facts), limits_of(task, task.time_limit_s)
    for _ in range(1 + _INTERNAL_RETRIES):
        outcome = sandbox.run(job, limits)
        if outcome.ending is not Ending.BROKEN:
            break
    verdict, violations, document = Verdict.OK, list[Violation](), None
    detail = ""  # for the instructor
    if outcome.ending is Ending.BROKEN:
        verdict = Verdict.INTERNAL
    elif outcome.ending is not Ending.EXITED:
        verdict, violation = _over_limit(outcome.ending, limits)
        violations.append(violation)
    elif outcome.exit_code != 0:
        verdict = Verdict.CRASH
        violations.append(_died(outcome))
    else:
        try:
            document = read_document(outcome.document, task, facts)
        except BrokenDocument as error:
            # The probe's own documents are sound; another process's code had a hand in this one.
            verdict = Verdict.CRASH
            detail = str(error)
            what = "the process ended before its schedule was recorded, or wrote over the record"
            violations.append(_resource(what, "do not end the process and do not touch the grader's channels"))
        else:
            violations = list(document.violations)
            if document.memory:
                verdict, violation = _over_limit(Ending.MEMORY, limits)
                violations.append(violation)
            elif document.timeout:
                verdict, violation = _over_limit(Ending.TIMEOUT, limits)
                violations = violations or [violation]
            elif any(v.rule is Rule.RAISED for v in violations):
                verdict = Verdict.CRASH
            elif violations:
                verdict = Verdict.CONTRACT
    output = "\n".join(clean(line) for line in outcome.output.decode("utf-8", "replace").splitlines())
    recipe = document.recipe if document is not None and verdict is Verdict.OK else None
    return Compiled(
        verdict=verdict,
        violations=tuple(violations),
        recipe=recipe,
        sandbox=sandbox.name.value,
        seconds=round(outcome.seconds, 4),
        output=output,
        detail=outcome.detail or detail,
        base_rates=document.base_rates if document is not None and recipe is not None else (),
        cpu_seconds=round(document.cpu_seconds, 4) if document is not None else 0.0,
        cost=document.cost if document is not None else (),
    )


def _resource(what: str, fix: str) -> Violation:
    return Violation(rule=Rule.RESOURCES, file="scheduler.py", what=what, fix=fix)


def _over_limit(ending: Ending, limits: Limits) -> tuple[Verdict, Violation]:
    match ending:
        case Ending.TIMEOUT:
            return Verdict.TIMEOUT, _resource(used_up(limits.seconds), ENDLESS_FIX)
        case Ending.STALLED:
            what = (
                f"loading the submission and playing its schedule took longer than {WALL_FACTOR * limits.seconds:g} s, "
                f"and less than {limits.seconds:g} s of it was computing"
            )
            return Verdict.TIMEOUT, _resource(what, "do not wait: a schedule needs no sleep(), input() or lock")
        case Ending.MEMORY:
            what = f"the submission's code needs more memory than {limits.memory_mb} MB"
            return Verdict.MEMORY, _resource(what, "compute the learning rate of the current step only")
        case Ending.THREADS:
            return Verdict.CRASH, _resource(f"more than {limits.threads} threads", "a schedule needs no threads")
        case Ending.DOCUMENT:
            what = f"the recorded schedule takes more than {limits.document >> 10} KB"
            return Verdict.OUTPUT, _resource(what, "use fewer parameter groups with rates of their own, or fewer steps")
        case _:
            what = f"the submission printed more than {limits.output >> 10} KB"
            return Verdict.OUTPUT, _resource(what, "remove print() from code that runs in every step")


def _died(outcome: Outcome) -> Violation:
    if outcome.signal is not None:
        name = signal.Signals(outcome.signal).name if outcome.signal in set(signal.Signals) else str(outcome.signal)
        return _resource(f"the submission's process was ended by {name}", "look for what crashes the interpreter")
    return _resource(
        f"the submission ended its process with exit code {outcome.exit_code}", "do not leave the interpreter"
    )

"""Submissions on disk, by expected verdict: `tests/fixtures/submissions/VERDICT/NAME`, in both real sandboxes.

Hostile ones: `tests/sandbox/test_attacks.py`.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grader.core.task import Task, TaskFacts
from grader.core.verdict import Rule, Verdict, Violation
from grader.sandbox.base import Sandbox
from grader.sandbox.compiled import Compiled
from grader.sandbox.inside.cpu_limit import GROWING_FIX, SLOW_FIX
from grader.sandbox.plain import PlainSandbox
from grader.sandbox.sandlock import SandlockSandbox
from grader.submissions.intake import discover
from grader.submissions.loader import Submission
from support.submissions import ROOT, SCHEDULER, Compile, load, make

FIXTURES = sorted((ROOT / "tests/fixtures/submissions").glob("*/*"))
SAMPLES = {
    "kim-imported-scheduler": Verdict.CONTRACT,
    "lena-untouched": Verdict.CONTRACT,
    "nia-attribute-too-late": Verdict.CRASH,
    "olu-late-nan": Verdict.CONTRACT,
    "zed-endless-loop": Verdict.TIMEOUT,
    "zoe-reads-the-server": Verdict.CRASH,
    "zora-forges-a-score": Verdict.CRASH,
}
# What each message must say, where it must point.
SAYS = {
    "contract/borrowed-formula": ("CosineAnnealingLR", "scheduler.py:11"),
    "contract/negative-rate": ("is -0.01", "in step 11 (epoch 1)"),
    "contract/too-many-rates": ("2 learning rates for 1 parameter groups", "in step 30"),
    "contract/random-rate": ("differs from run to run", "chance"),
    "contract/wants-metrics": ("'metrics'", "scheduler.py:8"),
    "contract/reads-weights": ("the values of weights", "scheduler.py:6"),
    "contract/reads-gradients": ("gradients exist in a training only", "scheduler.py:6"),
    "contract/reads-optimizer-state": ("the optimizer's state exists", "scheduler.py:6"),
    "contract/unfreezes": ("freezes or unfreezes", "requires_grad"),
    "contract/optimizer-hook": ("the optimizer has a hook", "config.py"),
    "contract/gradient-hook": ("a parameter has a hook", "config.py"),
    "contract/changed-transform": ("was changed after it was made", "config.py"),
    "contract/borrowed-helper": ("OneCycleLR", "scheduler.py:7"),
    "contract/numpy-chance": ("differs from run to run", "chance"),
    "contract/lbfgs": ("closure", "config.py:9"),
    "contract/own-optimizer": ("not an optimizer that torch ships", "config.py"),
    "contract/changes-weights": ("writes to the model's weights", "config.py"),
    "contract/lambda-transform": ("function of your own", "config.py:10"),
    "contract/no-tensor": ("not a tensor", "ToTensor()"),
    "contract/shape-changes": ("[3, 28, 28]", "config.py:10"),
    "contract/transform-class": ("instead of an instance", "ToTensor()"),
    "contract/switch-moves": ("nesterov", "cannot change"),
    "contract/placeholder": ("no sources are given", "submission.json:1"),
    "contract/duplicate-keys": ("'contributors' stands twice", "submission.json"),
    "contract/init-wraps-step-counts": ("optimizer.step is replaced or wrapped", "scheduler.py:15"),
    "contract/init-wraps-step-skips": ("optimizer.step is replaced or wrapped", "scheduler.py:16"),
    "contract/init-registers-hook": ("the optimizer has a hook", "scheduler.py:12"),
    "contract/forward-hook-factory": ("a module of the model has a hook", "config.py:11"),
    "contract/grad-hook-in-scheduler": ("a parameter has a hook", "scheduler.py:13"),
    "contract/scheduler-decays-weights": ("writes to the model's weights", "scheduler.py:15"),
    "contract/scheduler-reinits": ("writes to the model's weights", "scheduler.py:13"),
    "contract/lookahead-in-step": ("writes to the model's weights", "in step 4 ", "scheduler.py:18"),
    "contract/clears-state-at-restart": ("acts on the training", "in step 19 ", "scheduler.py:13"),
    "contract/steps-optimizer-itself": ("calls optimizer.step() itself", "scheduler.py:12"),
    "contract/swats-switch": ("optimizer.step is replaced", "in step 29 ", "scheduler.py:15"),
    "contract/post-hook-in-step": ("the optimizer has a hook", "in step 9 ", "scheduler.py:13"),
    "contract/global-hook": ("a global hook is registered", "scheduler.py:14"),
    "crash/matplotlib-top": ("No module named 'matplotlib'", "standard library, torch", "scheduler.py:1"),
    "crash/scipy-top": ("No module named 'scipy'", "standard library, torch", "scheduler.py:1"),
    "crash/tqdm-top": ("No module named 'tqdm'", "standard library, torch", "scheduler.py:1"),
    "crash/optimizer-factory-self": ("without self", "config.py"),
    "crash/syntax-error": ("SyntaxError", "scheduler.py:1"),
    "crash/verbose": ("remove verbose", "scheduler.py:6"),
    "crash/late-error": ("IndexError", "in step 40 (epoch 2)"),
    "crash/missing-module": ("my_helpers", "scheduler.py:1"),
    "contract/wrong-kwargs": ("gamma", "config.py:8"),
    "contract/two-torch-schedulers": ("inherits from PyTorch's MultiStepLR", "own scheduler StepLR", "scheduler.py:6"),
}


def test_limits_hold_before_bombs_are_run(sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    """The memory fixtures run only where this worker says that it is limited."""
    report = make(
        scheduler="import resource, sys\n"
        "sys.stderr.write(f'limit={resource.getrlimit(resource.RLIMIT_DATA)[0]} ')\n"
        "try:\n    import os; os.fork()\nexcept OSError as error:\n    sys.stderr.write(f'fork={error.errno}')\n"
    )
    result = Compile(sandbox, task, facts)(report)
    assert f"limit={task.sandbox.memory_mb << 20}" in result.output
    assert "fork=1" in result.output


@pytest.mark.parametrize("folder", FIXTURES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_fixture_gets_its_verdict(folder: Path, sandbox: Sandbox, task: Task, facts: TaskFacts) -> None:
    result = Compile(sandbox, task, facts)(load(folder))
    assert result.verdict == folder.parent.name, (result.violations, result.detail, result.output[-500:])
    assert (result.recipe is not None) == (result.verdict is Verdict.OK)
    assert bool(result.violations) == (result.verdict is not Verdict.OK)
    said = "\n".join(map(str, result.violations))
    for words in SAYS.get(f"{folder.parent.name}/{folder.name}", ()):
        assert words in said
    assert "Traceback" not in said


#: They act on the machine, which `check` does not guard: it is for one's own code.
UNGUARDED = {"zoe-reads-the-server", "zora-forges-a-score"}
CHECKED = {f"{p.parent.name}/{p.name}": load(p) for p in FIXTURES}
CHECKED |= {f"sample/{s.id}": s for s in discover(ROOT / "submissions").submissions if s.id not in UNGUARDED}
CHECKED |= {f"reference/{s.id}": s for s in discover(ROOT / "reference").submissions}


@pytest.mark.parametrize("name", sorted(CHECKED))
def test_check_gives_the_answer_of_the_sandbox(name: str, compiled: Compile, task: Task, facts: TaskFacts) -> None:
    """`grader check` runs where more is installed: its verdict, its text and its recipe are those of the real run."""
    quick = task.model_copy(update={"sandbox": task.sandbox.model_copy(update={"seconds": 3.0})})
    same_answer(CHECKED[name], quick, facts, compiled.sandbox)


@pytest.mark.parametrize(("share", "verdict"), [(0.4, Verdict.OK), (3.0, Verdict.TIMEOUT)])
@pytest.mark.parametrize(("each", "fix"), [("40", SLOW_FIX), ("self.last_epoch", GROWING_FIX)])
def test_check_and_run_agree_on_both_sides_of_the_limit(
    share: float, verdict: Verdict, each: str, fix: str, compiled: Compile, task: Task, facts: TaskFacts
) -> None:
    limit, work = 2.0, "for _ in range(20_000):\n    x = 1 / (1 + _)"
    begun = time.process_time()
    exec(work)
    once = time.process_time() - begun
    steps = 2 * 23
    rounds = share * limit / once / (steps * 40 if each == "40" else steps * (steps - 1) / 2)
    scheduler = SCHEDULER.replace(
        "def get_lr(self):",
        f"def get_lr(self):\n        for _ in range(int(20_000 * {rounds} * {each})):\n            x = 1 / (1 + _)",
    )
    quick = task.model_copy(update={"sandbox": task.sandbox.model_copy(update={"seconds": limit})})
    found = same_answer(make(scheduler=scheduler), quick, facts, compiled.sandbox)
    assert found.verdict is verdict
    if verdict is Verdict.TIMEOUT:
        (violation,) = found.violations
        assert violation.what.endswith("took longer than 2 s of computing")
        assert (violation.file, violation.line in (8, 9), violation.fix) == ("scheduler.py", True, fix)


def same_answer(submission: Submission, task: Task, facts: TaskFacts, sandbox: Sandbox) -> Compiled:
    """The answer that both give; of what ran out of time, the line is chance."""
    ours = Compile(PlainSandbox(), task, facts)(submission)
    theirs = Compile(sandbox, task, facts)(submission)
    assert ours.verdict is theirs.verdict
    assert ours.recipe == theirs.recipe
    assert [without_line(v) for v in ours.violations] == [without_line(v) for v in theirs.violations]
    return ours


def without_line(violation: Violation) -> Violation:
    return violation.model_copy(update={"line": None}) if violation.rule is Rule.RESOURCES else violation


@pytest.mark.parametrize("name", sorted(s.id for s in discover(ROOT / "submissions").submissions))
def test_sample_gets_its_verdict(name: str, compiled: Compile) -> None:
    submission = next(s for s in discover(ROOT / "submissions").submissions if s.id == name)
    assert compiled(submission).verdict is SAMPLES.get(name, Verdict.OK)


def test_there_are_samples_of_every_sort() -> None:
    found = discover(ROOT / "submissions")
    samples = found.submissions
    assert len(samples) >= 12
    assert not found.skipped
    assert set(SAMPLES) < {s.id for s in samples}


@pytest.mark.docker
@pytest.mark.parametrize(
    "name", sorted(s.id for s in discover(ROOT / "submissions").submissions if s.id not in SAMPLES)
)
def test_both_sandboxes_compile_the_same_recipe(
    name: str, sandlock: SandlockSandbox, docker_box: Sandbox, task: Task, facts: TaskFacts
) -> None:
    submission = next(s for s in discover(ROOT / "submissions").submissions if s.id == name)
    ours = Compile(sandlock, task, facts)(submission).recipe
    theirs = Compile(docker_box, task, facts)(submission).recipe
    assert ours is not None
    assert theirs == ours


def test_all_violations_come_at_once(compiled: Compile) -> None:
    submission = next(s for s in discover(ROOT / "submissions").submissions if s.id == "lena-untouched")
    rules = {v.rule.value for v in compiled(submission).violations}
    assert rules == {"learning_rate", "config", "transforms", "attribution"}


def test_the_grader_does_not_tokenize_what_students_write(compiled: Compile) -> None:
    """Python 3.11's tokenizer needs hours for this file of 240 KB: the run would never end."""
    slow = "\nx = 1" + " " * 240_000 + "\ry = 2\n"
    assert compiled(make(scheduler=SCHEDULER + slow)).verdict is Verdict.OK


def test_a_hundred_thousand_steps_fit_the_limits(compiled: Compile, task: Task, facts: TaskFacts) -> None:
    config = make().files["config.py"].decode().replace("num_epochs = 2", "num_epochs = 4347")
    result = compiled(make(config=config))
    assert result.recipe is not None, result.violations
    assert result.recipe.steps == 4347 * 23

"""The student's side: `grader init`, `grader check`, and what it advises."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from grader.cli.render_check import picture
from grader.core import task_file as tasks
from grader.core.errors import UsageError
from grader.core.verdict import Verdict
from grader.sandbox.compile import compile_submission
from grader.sandbox.plain import PlainSandbox
from grader.student.check import check, facts_of_public
from grader.student.kit import write_kit
from grader.submissions import known_schedules
from grader.training import models
from support.runs import GRADER, descendants, started
from support.submissions import CONFIG, make

HEAD = "import math\nfrom torch.optim.lr_scheduler import _LRScheduler\n\n\nclass CustomLRScheduler(_LRScheduler):\n"
STEPS = 2 * 782  # two epochs of CIFAR-10 in batches of 64


def write(folder: Path, body: str = "", config: str = CONFIG, **files: str) -> Path:
    scheduler = HEAD + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"
    folder.mkdir(exist_ok=True)
    for name, data in make(scheduler=scheduler, config=config, **files).files.items():
        (folder / name).write_bytes(data)
    return folder


def advice_on(folder: Path, body: str, config: str = CONFIG) -> dict[str, str]:
    checked = check(write(folder, body, config), PlainSandbox())
    assert checked.compiled.verdict is Verdict.OK, checked.compiled
    return {a.code: str(a) for a in checked.advice}


def get_lr(expression: str) -> str:
    return f"def get_lr(self):\n    t = self.last_epoch\n    return [base * ({expression}) for base in self.base_lrs]"


N = 3910


def wave(t: int, period: int, low: float = 0.0) -> float:
    return low + (0.1 - low) * (1 + math.cos(math.pi * t / period)) / 2


@pytest.mark.parametrize(
    ("expected", "rate"),
    [
        ("cosine, T_max=3910", lambda t: wave(t, N)),
        ("cosine, T_max=3910, eta_min=0.0001", lambda t: wave(t, N, 1e-4)),
        ("cosine, T_max=500", lambda t: wave(min(t, 500), 500)),
        ("cosine, T_max=500", lambda t: wave(t, 500)),
        ("cosine with warm restarts, T_0=391", lambda t: wave(t % 391, 391)),
        ("linear, total=3910", lambda t: 0.1 * (1 - t / N)),
        ("polynomial, power=2, total=1000", lambda t: 0.1 * max(0, 1 - t / 1000) ** 2),
        ("polynomial, power=0.5, total=3910", lambda t: 0.1 * (1 - t / N) ** 0.5),
        ("exponential, gamma=0.999", lambda t: 0.1 * 0.999**t),
        ("inverse time, decay=0.01", lambda t: 0.1 / (1 + 0.01 * t)),
        ("step decay, step_size=500, gamma=0.5", lambda t: 0.1 * 0.5 ** (t // 500)),
        ("step decay at [1173, 2346, 3128], gamma=0.1", lambda t: 0.1 * 0.1 ** sum(t >= m for m in (1173, 2346, 3128))),
        ("linear warmup over 100 steps, then cosine, T_max=3810",
         lambda t: 0.1 * (t + 1) / 100 if t < 100 else wave(t - 100, N - 100)),
        ("linear warmup over 100 steps, then constant", lambda t: 0.1 * min(1, t / 100)),
        (None, lambda t: 0.1),
        (None, lambda t: 10.0 if t == 0 else 5e-324),
        (None, lambda t: 0.1 / (1 + 0.01 * t) ** 1.01),
        (None, lambda t: 0.1 * min((t + 1) / 100, (100 / (t + 1)) ** 0.5)),
        (None, lambda t: 0.01 + 0.09 * abs(((t / 200) % 2) - 1)),
        (None, lambda t: 0.1 * 0.999**t + 1e-5 * (t % 3)),
    ],
)  # fmt: skip
def test_taught_schedules_are_recognised_and_others_are_not(expected: str | None, rate: object) -> None:
    assert known_schedules.name_of([rate(t) for t in range(N)]) == expected  # type: ignore[operator]


def test_the_shipped_facts_are_those_of_the_public_model() -> None:
    task = tasks.load("cifar10")
    facts = facts_of_public(task)
    model = models.build(task, 10, 0)
    assert facts.parameters == models.parameters_of(model)
    assert facts.modules == models.modules_of(model)
    assert (facts.n_train, facts.image) == (50_000, task.image)


def grader(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_the_untouched_kit_lacks_its_attribution_only(tmp_path: Path) -> None:
    done = grader("init", "kit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {str(p.relative_to(tmp_path / "kit")) for p in (tmp_path / "kit").rglob("*") if p.is_file()}
    assert names == {"scheduler.py", "config.py", "model.py", "main.py", "submission.json", "ATTRIBUTION.md",
                     "README.md", ".github/workflows/check.yml", ".gitignore"}  # fmt: skip
    done = grader("check", "kit", "--json", cwd=tmp_path)
    assert done.returncode == 1
    violations = json.loads(done.stdout)["violations"]
    assert json.loads(done.stdout)["steps"] == 7820  # its schedule is shown all the same
    assert {(v["file"], v["rule"]) for v in violations} == {
        ("submission.json", "attribution"),
    }  # fmt: skip
    manifest = {"assignment_name": "a", "contributors": ["Ada"], "sources": ["none, my own work"]}
    (tmp_path / "kit/submission.json").write_text(json.dumps(manifest))
    done = grader("check", cwd=tmp_path / "kit")
    assert done.returncode == 0, done.stdout
    assert "never" not in done.stdout
    assert "the learning rate is 0.02 in every step" in done.stdout
    assert "predicted grading time" in done.stdout


def test_the_kit_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit/scheduler.py").write_text("mine")
    with pytest.raises(UsageError, match=r"exists already: .*scheduler\.py"):
        write_kit(tmp_path / "kit")
    assert [p.name for p in (tmp_path / "kit").iterdir()] == ["scheduler.py"]


def test_the_kits_model_is_the_public_model(tmp_path: Path) -> None:
    write_kit(tmp_path)
    names: dict[str, object] = {}
    exec((tmp_path / "model.py").read_text(), names)
    ours = models.build(tasks.load("cifar10"), 10, 0)
    theirs = names["Net"]()  # type: ignore[operator]
    assert [(n, p.shape) for n, p in theirs.named_parameters()] == [(n, p.shape) for n, p in ours.named_parameters()]


def test_violations_show_the_line_and_github_gets_its_annotation(tmp_path: Path) -> None:
    write(tmp_path / "s", "def get_lr(self):\n    return [0.1, 0.2]")
    done = grader("check", "s", "--github", cwd=tmp_path)
    assert done.returncode == 1
    assert "scheduler.py:6: get_lr() returned 2 learning rates for 1 parameter groups in step 0" in done.stdout
    assert "    def get_lr(self):" in done.stdout
    assert "::error file=s/scheduler.py,line=6,title=learning_rate::get_lr() returned 2" in done.stdout


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def __init__(self, optimizer):\n    super().__init__(optimizer, -1, False)\n\n" + get_lr("1"),
         "remove verbose"),
        ("def __init__(self, optimizer):\n    super().__init__(optimizer)\n    self.k = 2\n\n" + get_lr("self.k"),
         "before super().__init__(), which already calls get_lr()"),
        ("def get_lr(self):\n    return self.base_lrs[0]", "get_lr() returned 0.05 instead of a list"),
    ],
)  # fmt: skip
def test_todays_pytorch_is_explained(tmp_path: Path, body: str, words: str) -> None:
    checked = check(write(tmp_path / "s", body), PlainSandbox())
    assert not checked.accepted
    assert words in "\n".join(map(str, checked.compiled.violations))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def __init__(self, optimizer, verbosity):\n    super().__init__(optimizer)\n\n" + get_lr("1"),
         "remove verbose"),
        ("def __init__(self, optimizer):\n    super().__init__(optimizer)\n\n" + get_lr("math.tau.phi"),
         "before super().__init__()"),
        ("def get_lr(self):\n    return [self.base_lrs[0], *[]][1:]", "instead of a list"),
    ],
)  # fmt: skip
def test_close_errors_are_not_explained_away(tmp_path: Path, body: str, words: str) -> None:
    checked = check(write(tmp_path / "s", body), PlainSandbox())
    assert not checked.accepted
    assert words not in "\n".join(map(str, checked.compiled.violations))


@pytest.mark.parametrize(("text", "wrong"), [("Normalize([0.5] * 3, [0.5] * 3)", True), ("Normalize(0.5, 0.5)", False)])
def test_three_means_on_grey_images_are_explained(text: str, wrong: bool) -> None:
    task = tasks.load("cifar10").model_copy(update={"image": (1, 32, 32)})
    facts = facts_of_public(task).model_copy(update={"image": (1, 32, 32)})
    submission = make(config=CONFIG.replace("Normalize(0.5, 0.5)", text))
    compiled = compile_submission(submission, PlainSandbox(), task, facts)
    assert (compiled.verdict is Verdict.CONTRACT) == wrong
    if wrong:
        assert "Normalize has 3 means for images of 1 channel(s): give one mean" in str(compiled.violations[0])


def test_a_check_needs_nothing_that_only_unix_has() -> None:
    """Windows has no fork, no resource limits, no fcntl: a student's own command must not import them."""
    code = (
        "import sys\nfor name in ('resource', 'fcntl', 'pwd', 'grp', 'termios', 'sandlock'): sys.modules[name] = None\n"
    )
    code += "import grader.cli.main, grader.student.check, grader.sandbox.plain, grader.cli.render_check\n"
    code += "import grader.experiments.compare, grader.cli.render_compare, grader.sandbox.inside.probe"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_picture_shows_the_schedule() -> None:
    lines = picture([1.0 - t / 100 for t in range(100)])
    assert lines[0].startswith("        1 │█")
    assert lines[-1].endswith("100 steps")
    assert picture([0.0] * 10) == ["the learning rate is zero throughout"]


def test_watch_checks_again_when_a_file_changes(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", get_lr("0.999**t"))
    command = [sys.executable, "-u", "-m", "grader", "check", str(folder), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = list(iter(process.stdout.readline, "watching; ^C ends\n"))
        time.sleep(0.5)
        (folder / "scheduler.py").write_text("nothing = 1\n")
        second = list(iter(process.stdout.readline, "watching; ^C ends\n"))
        process.kill()
    assert any("would accept" in line for line in first)
    assert any("there is no class CustomLRScheduler" in line for line in second)


def test_a_training_beyond_the_limit_is_advised_against(tmp_path: Path) -> None:
    long = CONFIG.replace("num_epochs = 2", "num_epochs = 80")
    assert "cut off at 300 s" in advice_on(tmp_path / "a", get_lr("0.9999**t"), long)["over-the-limit"]
    assert "over-the-limit" not in advice_on(tmp_path / "b", get_lr("0.9999**t"))


def test_a_cited_formula_needs_no_reminder(tmp_path: Path) -> None:
    cited = {"assignment_name": "a", "contributors": ["Ada"], "sources": ["Loshchilov and Hutter, SGDR"]}
    folder = write(tmp_path / "a", get_lr(f"0.5 + 0.5 * math.cos(math.pi * t / {STEPS})"))
    (folder / "submission.json").write_text(json.dumps(cited))
    assert "known-formula" not in {a.code for a in check(folder, PlainSandbox()).advice}


def test_a_folder_without_a_submission_is_a_usage_error(tmp_path: Path) -> None:
    done = grader("check", cwd=tmp_path)
    assert done.returncode == 2
    assert "not the folder of one submission" in done.stderr


def test_a_comparison_trains_both_and_draws(tmp_path: Path) -> None:
    write(tmp_path / "s", get_lr("1 - t / 100"))
    arguments = ["compare", "s", "--task", "digits", "--seeds", "2", "--with", "cosine", "--device", "cpu"]
    done = grader(*arguments, "--plot", "out/figure.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("schedule") :]
    assert [line.split()[0] for line in table.splitlines() if "%" in line] == ["yours", "default", "cosine"]
    assert "vs default" in table
    assert "digits has 46 steps" in table
    assert "cosine: trained with a configuration of its own" in table
    assert "yours, seed 1: epoch 2/2" in done.stdout
    assert "<svg" in (tmp_path / "out/figure.svg").read_text()
    again = grader(*arguments, cwd=tmp_path)
    assert "epoch 1/" not in again.stdout  # everything is known
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_a_comparison_says_what_random_transforms_would_cost(tmp_path: Path) -> None:
    config = CONFIG.replace("[ToTensor()", "[RandomAffine(30, (0.2, 0.2)), ToTensor()")
    config = config.replace("import Normalize", "import Normalize, RandomAffine")
    write(tmp_path / "s", get_lr("1"), config)
    arguments = ["compare", "s", "--task", "digits", "--seeds", "1", "--device", "cpu"]
    done = grader(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    found = re.search(
        r"accuracy is measured without the random transforms \(RandomAffine\); "
        r"with them: yours ([\d.]+) % \(([-+][\d.]+)\), default ([\d.]+) % \(([-+][\d.]+)\)",
        said,
    )
    assert found, said
    own = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["yours"])
    assert float(found[1]) - float(found[2]) == pytest.approx(float(own.split()[1]), abs=0.011)
    again = grader(*arguments, cwd=tmp_path)
    assert "epoch 1/" not in again.stdout
    assert found[0] in " ".join(again.stdout.split())


def test_a_comparison_works_on_an_image_folder(tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for label in range(2):
            folder = tmp_path / "images" / part / f"class{label}"
            folder.mkdir(parents=True)
            for n in range(8):
                Image.new("RGB", (32, 32), (40 + 150 * label + n, 0, 0)).save(folder / f"{n}.png")
    write(tmp_path / "s", get_lr("1 - t / 100"))
    arguments = ["compare", "s", "--data", "images", "--seeds", "1", "--device", "cpu"]
    done = grader(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "comparing on cifar10-images" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--with", "nope"], "there is no reference 'nope': use constant, cosine"),
        (["--plot", "figure.bmp"], "a figure's name ends with .png"),
        (["--seeds", "0"], "seeds"),
    ],
)
def test_mistakes_in_a_comparison_are_explained(tmp_path: Path, arguments: list[str], message: str) -> None:
    write(tmp_path / "s", get_lr("1"))
    done = grader("compare", "s", "--task", "digits", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_picture_holds_the_largest_and_smallest_rates() -> None:
    assert len(picture([1e15] * 5000)) == len(picture([5e-324] * 100)) == 11


def test_an_interrupt_ends_the_check_and_the_submission(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    body = f"""
        def get_lr(self):
            import time
            open({str(begun)!r}, "a").write("x")
            time.sleep(600)
            return list(self.base_lrs)
    """
    folder = write(tmp_path / "mine", body)
    with started([*GRADER, "check", str(folder)], tmp_path) as grader:
        while not begun.exists() or len(begun.read_text()) < 2:  # the verdict's play, and the longer one
            assert grader.poll() is None, grader.stdout and grader.stdout.read()
            time.sleep(0.05)
        plays = descendants(grader.pid)
        assert len(plays) >= 2
        grader.send_signal(signal.SIGINT)
        said, _ = grader.communicate(timeout=20)
    assert grader.returncode == 130, said
    assert "Traceback" not in said
    assert not [pid for pid in plays if os.path.exists(f"/proc/{pid}")]

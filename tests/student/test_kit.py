"""`grader init --install-from`: the kit says where grader comes from, and its workflow installs it from there."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from torchvision.transforms import v2

from grader.core.errors import UsageError
from grader.core.recipe import TransformCall
from grader.student.kit import InstallSource, write_kit
from grader.training.transforms import evaluated
from support.runs import grader
from support.submissions import CONFIG, Compile, make

COMMIT = "git+https://example.org/course/grader@" + "0123456789" * 4
WHEEL = "lr_scheduler_grader-0.1.0-py3-none-any.whl"


def calls(folder: Path) -> list[str]:
    """The requirements that README and workflow hand to pip, as a shell takes them apart."""
    texts = [(folder / "README.md").read_text(), (folder / ".github/workflows/check.yml").read_text()]
    lines = [line for text in texts for line in re.findall(r"^\W*(?:run: )?(pip install .*)$", text, re.M)]
    return [shlex.split(line)[2] for line in lines]


def test_a_wheel_is_copied_into_the_kit_and_installed_from_there(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        archive.writestr("grader/__init__.py", "")
    done = grader("init", "kit", "--install-from", WHEEL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"wrote kit/{WHEEL}" in done.stdout
    assert (tmp_path / "kit" / WHEEL).read_bytes() == (tmp_path / WHEEL).read_bytes()
    assert calls(tmp_path / "kit") == [f"./{WHEEL}[train]", f"./{WHEEL}"]


@pytest.mark.parametrize(
    "address", [COMMIT, COMMIT.replace("https://", "ssh://git@"), f"https://example.org/{WHEEL}#sha256={'a' * 64}"]
)
def test_a_pinned_address_is_written_into_both(address: str, tmp_path: Path) -> None:
    write_kit(tmp_path, InstallSource.of(address))
    assert calls(tmp_path) == [f"lr-scheduler-grader[train] @ {address}", f"lr-scheduler-grader @ {address}"]


def test_without_one_the_workflow_stops_and_says_why(tmp_path: Path) -> None:
    write_kit(tmp_path)
    assert calls(tmp_path) == []
    steps = (tmp_path / ".github/workflows/check.yml").read_text().split("    steps:")[1]
    assert re.search(r"- run: \|\n +echo \"::error::this kit does not say where .*\n +exit 1\n", steps)
    assert "Your course says where to get `grader`" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    "source",
    [
        "grader",
        "lr-scheduler-grader",
        "lr-scheduler-grader==0.1.0",
        "git+https://example.org/course/grader",
        "git+https://example.org/course/grader@main",
        "git+https://example.org/course/grader@0123456",
        COMMIT.replace("https://", "https://x-access-token:secret@"),
        COMMIT.replace("https://example.org", "file:///srv"),
        f"https://example.org/{WHEEL}",
        f"http://example.org/{WHEEL}#sha256={'a' * 64}",
        WHEEL.replace(".whl", '"whl'),
        WHEEL.replace("0.1.0", "1!0.1.0"),
        "a" * 300 + ".whl",
        f"https://example.org/$(id)/{WHEEL}",
        f"https://example.org/`id`/{WHEEL}",
        f'https://example.org/"/{WHEEL}',
        "https://example.org/grader-1.2-py3-none-any.whl",
        "",
    ],
)
def test_what_names_no_version_or_could_reach_a_shell_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give a wheel of grader"):
        write_kit(tmp_path / "kit", InstallSource.of(source))
    assert not (tmp_path / "kit").exists()


def test_a_wheel_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = grader("init", "kit", "--install-from", f"dist/{WHEEL}", cwd=tmp_path)
    assert done.returncode == 2
    assert f"dist/{WHEEL}: there is no such file" in done.stderr


def test_a_wheel_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"")
    done = grader("init", "kit", "--install-from", WHEEL, cwd=tmp_path)
    assert done.returncode == 2
    assert "this is no wheel, or a damaged one" in done.stderr
    assert not (tmp_path / "kit").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit/.github").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="exists already"):
        write_kit(tmp_path / "kit")
    assert not list((tmp_path / "outside").iterdir())


def test_a_wheel_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        archive.writestr("new", "")
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / WHEEL).write_bytes(b"old")
    assert grader("init", "kit", "--install-from", WHEEL, cwd=tmp_path).returncode == 2
    assert [p.name for p in (tmp_path / "kit").iterdir()] == [WHEEL]


def test_main_measures_accuracy_on_what_the_grader_does(tmp_path: Path, compiled: Compile) -> None:
    """Without the random transforms, which the trainer leaves out; with the sizes of the random crops."""
    pipeline = """[
        v2.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=4), transforms.ColorJitter(0.2),
        transforms.Compose([transforms.RandomResizedCrop(32), transforms.RandAugment(), transforms.ToTensor()]),
        transforms.RandomErasing(), transforms.Normalize(0.5, 0.5)]"""
    config = CONFIG.replace("[ToTensor(), Normalize(0.5, 0.5)]", pipeline).replace(
        "import torch\n", "import torch\nfrom torchvision import transforms\nfrom torchvision.transforms import v2\n", 1
    )
    recipe = compiled(make(config=config)).recipe
    assert recipe is not None
    write_kit(tmp_path / "kit")
    (tmp_path / "kit/config.py").write_text(config)
    code = "import main; print(*(type(t).__name__ for t in main.for_evaluation(main.CONFIG.transforms).transforms))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "kit", capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [call.name for call in evaluated(recipe.transforms)]
    assert done.stdout.split() == ["CenterCrop", "Resize", "ToTensor", "Normalize"]


def test_main_knows_every_random_transform_that_the_grader_knows(tmp_path: Path) -> None:
    write_kit(tmp_path / "kit")
    code = "import main; print(*sorted(main.RANDOM))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "kit", capture_output=True, text=True, check=True
    )
    named = TransformCall(transform="torchvision.transforms.ToTensor")
    assert not named.is_random
    for name in done.stdout.split():
        assert TransformCall(transform=f"torchvision.transforms.v2.{name}").is_random
    known = [name for name in dir(v2) if inspect.isclass(getattr(v2, name)) and name[0].isupper()]
    ours = {n for n in known if TransformCall(transform=f"torchvision.transforms.v2.{n}").is_random}
    assert {n for n in ours if not n.startswith("Random")} == set(done.stdout.split()) & set(known)

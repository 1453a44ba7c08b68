"""Exit codes, messages, imports."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "grader"


def grader(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere"], 2, "nowhere is not a folder"),
        (["run", "."], 2, "holds no submission"),
        (["run", "class", "--task", "nope"], 3, "use one of cifar10, digits, or the path"),
        (["run", "class", "--task", "nope.toml"], 3, "nope.toml: cannot be read"),
        (["run", "class", "--sandbox", "jail"], 2, "use auto, docker, sandlock, none"),
        (["run", "class", "--device", "tpu"], 3, "use auto, cpu or cuda"),
        (["run", "class", "--jobs", "-1"], 2, "jobs"),
        (["run"], 2, "Missing argument"),
        (["fly"], 2, "No such command"),
        (["show"], 2, "grader run makes one"),
        (["publish"], 2, "grader run makes one"),
        (["publish", "--names", "some"], 2, "use full, pseudonyms, or top-N"),
        (["export", "pdf"], 2, "there is no format 'pdf': use markdown, summary, csv"),
        (["export", "csv"], 2, "grader run makes one"),
        (["pseudonyms"], 2, "grader run makes one"),
        (["gradescope", "--submission", "nowhere"], 2, "nowhere is not a folder"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    if arguments[1:2] == ["class"]:
        (tmp_path / "class/one").mkdir(parents=True)
        (tmp_path / "class/one/scheduler.py").write_text("")
    done = grader(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 3


def test_help_and_version_do_not_wait_for_torch() -> None:
    code = "import sys; sys.argv = ['grader', '--help']\nfrom grader.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "heavy = {'torch', 'docker', 'numpy', 'pydantic', 'sklearn'} & set(sys.modules)\nassert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    assert re.fullmatch(r"grader \d+\.\d+\.\d+\n", grader("--version").stdout)


def test_the_schema_is_printed() -> None:
    schema = json.loads(grader("schema").stdout)
    assert schema["title"] == "Leaderboard"
    assert {"schema_version", "task", "hardware", "versions", "rows"} <= set(schema["properties"])


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


FILES = sorted(path for path in PACKAGE.rglob("*.py") if "scaffold" not in path.parts)
LAYERS = [
    {"errors", "strict_json", "files", "text", "templating"},
    {"recipe", "task", "result", "submission"},
    {"contract", "formulas", "advice", "intervals", "study", "board", "history", "standing", "constant", "adaptive"},
    {"sandbox", "training", "leaderboard", "ledger", "log", "store", "entry", "plots", "scaffolding", "points"},
    {"observing", "publish", "cluster"},
    {
        "pipeline",
        "references",
        "checking",
        "trials",
        "comparing",
        "studying",
        "exporting",
        "explaining",
        "final",
        "similarity",
        "doctor",
    },
    {"findings", "figures", "report"},
    {
        "cli",
        "commands",
        "display",
        "running",
        "show_check",
        "show_compare",
        "show_study",
        "show_similarity",
        "show_doctor",
        "__main__",
    },
]


def layer(path: Path) -> int:
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return next(i for i, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize(
    "path", [p for p in FILES if p != PACKAGE / "__init__.py"], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_go_one_way(path: Path) -> None:
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "grader" and rest:
            target = PACKAGE / rest.split(".")[0]
            assert layer(target) <= layer(path), f"{path} imports {name}"


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("docker", ("sandbox/docker.py", "sandbox/docker_image.py")),
        ("torch", ("training/", "sandbox/inside/")),
        ("torchvision", ("training/", "sandbox/inside/")),
        ("sandlock", ("sandbox/sandlock.py", "sandbox/inside/zygote.py")),
        ("typer", ("cli.py", "commands/")),
        (
            "rich",
            (
                "cli.py",
                "commands/",
                "display.py",
                "running.py",
                "show_check.py",
                "show_compare.py",
                "show_study.py",
                "show_similarity.py",
                "show_doctor.py",
            ),
        ),
        ("matplotlib", ("plots.py", "figures.py")),
        ("jinja2", ("templating.py",)),
        ("ray", ("cluster/",)),
        ("fsspec", ("training/data.py",)),
        ("copydetect", ("similarity.py",)),
        ("kornia", ("training/batched/",)),
        ("scipy", ("intervals.py", "standing.py")),
    ],
)
def test_heavy_packages_stay_in_their_rooms(package: str, allowed: tuple[str, ...]) -> None:
    for path in FILES:
        here = str(path.relative_to(PACKAGE))
        if any(name.split(".")[0] == package for name in imports(path)):
            assert here.startswith(allowed), f"{here} imports {package}"


def test_what_runs_inside_needs_nothing_of_the_rest() -> None:
    allowed = set(sys.stdlib_module_names) | {"torch", "torchvision", "numpy", "PIL", "sandlock"}
    for path in (PACKAGE / "sandbox/inside").glob("*.py"):
        assert {name.split(".")[0] for name in imports(path)} <= allowed, path


def test_no_path_of_one_machine_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        data = (ROOT / name).read_bytes()
        assert b"/root/" not in data or name.startswith("tests/"), name

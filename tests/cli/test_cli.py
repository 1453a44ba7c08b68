"""Exit codes, messages, imports."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.runs import grader
from support.submissions import ROOT

PACKAGE = ROOT / "grader"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere"], 2, "nowhere is not a folder"),
        (["run", "."], 2, "holds no submission"),
        (["run", "class", "--task", "nope"], 3, "use one of cifar10, digits, or the path"),
        (["run", "class", "--task", "nope.toml"], 3, "nope.toml: cannot be read"),
        (["run", "class", "--sandbox", "jail"], 2, "use auto, docker, sandlock, none"),
        (["run", "class", "--device", "tpu"], 2, "use auto, cpu, cuda"),
        (["run", "class", "--jobs", "-1"], 2, "jobs"),
        (["run"], 2, "Missing argument"),
        (["fly"], 2, "No such command"),
        (["show"], 2, "grader run makes one"),
        (["publish"], 2, "grader run makes one"),
        (["publish", "--names", "some"], 2, "use full, pseudonyms, or top-N"),
        (["export", "pdf"], 2, "there is no format 'pdf': use markdown, summary, csv"),
        (["export", "csv"], 2, "grader run makes one"),
        (["export", "csv", "--id", "ada"], 2, "csv is about the whole board: leave out --id"),
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
    code = "import sys; sys.argv = ['grader', '--help']\nfrom grader.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "heavy = {'torch', 'docker', 'numpy', 'pydantic', 'scipy'} & set(sys.modules)\nassert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    assert re.fullmatch(r"grader \d+\.\d+\.\d+\n", grader("--version").stdout)


def test_the_schema_is_printed() -> None:
    schema = json.loads(grader("schema").stdout)
    assert schema["title"] == "Leaderboard"
    assert {"schema_version", "task", "environment", "environments", "rows"} <= set(schema["properties"])


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


FILES = sorted(path for path in PACKAGE.rglob("*.py") if "scaffold" not in path.parts)


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

"""The documentation builds strictly: every link and anchor leads somewhere, and what is generated is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from grader.cli.main import app
from grader.core import task
from support.submissions import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    known = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(call, cwd=ROOT, env=known, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_key_of_a_task_file_is_described(site: Path) -> None:
    page = (site / "task-file.html").read_text()
    for table in (task.Task, task.Data, task.SandboxLimits, task.Ranking, task.Reveal, task.Points, task.Workload):
        for name in table.model_fields:
            assert name in {"folder"} or f"<code>{name}</code>" in page or f'id="{name}"' in page, name


def test_every_command_has_its_section(site: Path) -> None:
    page = (site / "cli.html").read_text()
    for name, command in vars(typer.main.get_command(app))["commands"].items():
        assert f'id="grader-{name}"' in page
        for option in (option for parameter in command.params for option in parameter.opts if option.startswith("--")):
            assert f"<code>{option}</code>" in page


def test_the_first_page_leads_everywhere_and_to_no_other_server_for_what_it_shows(site: Path) -> None:
    text = (site / "index.html").read_text()
    for page in site.glob("*.html"):
        assert page.name in {"404.html"} or f'href="{page.name}' in text, page.name
    for page in site.rglob("*.html"):
        for line in page.read_text().splitlines():
            if "<script" in line or 'rel="stylesheet"' in line:
                assert 'src="http' not in line
                assert 'href="http' not in line


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    """The strictness that the build relies on."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# A\n\n[b](b.md) [c](#c)\n")
    config = (ROOT / "mkdocs.yml").read_text().split("nav:\n  - Home")[0].replace("hooks:\n  - docs/hooks.py\n", "")
    (tmp_path / "mkdocs.yml").write_text(config)
    call = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "b.md" in done.stderr
    assert "#c" in done.stderr

"""A real Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, or the one that Playwright brought."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # root may not use Chromium's own sandbox
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=next(filter(None, found), None), args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which any complaint of the browser is a failure, and which reaches nothing but files."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda r: complaints.extend([] if r.url.startswith(("file:", "data:")) else [r.url]))
    yield page
    page.close()
    assert not complaints

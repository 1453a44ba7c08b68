"""Draws docs/images/board.png: the top of the site that the sample class gives.

    python docs/picture.py SITE        after: grader run submissions/ --site SITE

Needs Playwright and a Chromium (the extra `test`).
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

OUT = Path(__file__).parent / "images" / "board.png"


def main() -> None:
    site = Path(sys.argv[1]).resolve()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 760}, color_scheme="light")
        page.goto((site / "index.html").as_uri())
        page.screenshot(path=OUT)
        browser.close()
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()

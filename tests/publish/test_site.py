"""The site in a real Chromium: by mouse, by keyboard, on a phone, in the dark, without scripts, with hostile texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from grader.core.task import RankBy, Task, TaskFacts
from grader.core.verdict import Verdict
from grader.publish.names import Names
from grader.publish.public import public
from grader.publish.public_board import Progress, PublicBoard
from grader.publish.site import Site
from support.boards import failed, hostile_board, large_board
from support.several import board, references, row

pytestmark = pytest.mark.browser
STUDENTS = 300


@pytest.fixture(scope="module")
def large(task: Task, facts: TaskFacts) -> PublicBoard:
    return public(large_board(STUDENTS, task, facts), Names())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, large: PublicBoard) -> str:
    folder = tmp_path_factory.mktemp("site")
    return Site(folder).write(large).as_uri()


def names(page: Page) -> list[str]:
    return page.locator("#board tbody tr:visible th a").all_inner_texts()


def numbers(page: Page, column: int) -> list[float]:
    values = page.locator(f"#board tbody tr:visible > :nth-child({column})").evaluate_all(
        "cells => cells.map(c => c.dataset.v)"
    )
    return [float(v) for v in values if v]


def test_the_board_stands_in_its_order(page: Page, site: str) -> None:
    page.goto(site)
    expect(page.locator("#count")).to_have_text(f"{STUDENTS + 2} rows")  # with the default and the best reference
    assert {"constant", "cosine"} < set(names(page))
    assert "step" not in names(page)
    page.get_by_label("all 3 references").check()
    expect(page.locator("#count")).to_have_text(f"{STUDENTS + 3} rows")
    page.reload()  # the address keeps what was chosen
    assert "step" in names(page)
    ranks = numbers(page, 1)
    assert ranks == sorted(ranks)
    assert ranks[0] == 1
    assert page.locator("tr.other").count() == 3
    assert page.locator("#board svg.lr").count() == page.locator("#board svg.iv").count() == STUDENTS * 9 // 10 + 3


def test_a_click_sorts_and_a_third_one_goes_back(page: Page, site: str) -> None:
    page.goto(site)
    first = names(page)
    page.get_by_role("button", name="Accuracy").click()
    values = numbers(page, 4)
    assert values == sorted(values, reverse=True)
    header = page.locator("th", has=page.get_by_role("button", name="Accuracy"))
    expect(header).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Accuracy").click()
    values = numbers(page, 4)
    assert values == sorted(values)
    assert len(values) < len(names(page))
    assert page.locator("#board tbody tr").last.locator("td.acc").inner_text() == ""  # without a score: last
    page.get_by_role("button", name="Accuracy").click()
    assert names(page) == first
    expect(header).to_have_attribute("aria-sort", "none")
    page.get_by_role("button", name="Name").click()
    assert names(page) == sorted(first)


def test_search_filter_and_references(page: Page, site: str) -> None:
    page.goto(site)
    page.get_by_label("Search names").fill("STUDENT001")
    assert sorted(names(page)) == [f"student001{n}" for n in range(10)]
    expect(page.locator("#count")).to_have_text("10 rows")
    page.get_by_label("Verdict").select_option("crash")
    assert names(page) == ["student0019"]
    expect(page.locator("#count")).to_have_text("1 row")
    page.reload()  # the address keeps what was chosen
    assert names(page) == ["student0019"]
    page.get_by_label("Search names").fill("")
    page.get_by_label("Verdict").select_option("all")


def test_a_row_opens_its_page(page: Page, site: str, large: PublicBoard) -> None:
    page.goto(site)
    first = next(row for row in large.rows if row.rank == 1)
    page.get_by_role("link", name=first.name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(first.name)
    assert page.locator("svg.chart").count() == 4
    expect(page.get_by_role("img", name=re.compile("Accuracy on the held-out images, from 20.0% to"))).to_be_visible()
    page.get_by_text("The numbers").click()
    expect(page.get_by_role("cell", name="2.3", exact=True)).to_be_visible()
    page.get_by_role("link", name=re.compile("Leaderboard")).click()
    expect(page.locator("#board")).to_be_visible()
    page.get_by_role("link", name="student0009", exact=True).click()
    expect(page.get_by_text("scheduler.py:5: get_lr() returned 0.01: return a list")).to_be_visible()


def test_the_dark_mode_is_remembered(page: Page, site: str) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(site)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Use dark colors").click()
    expect(page.get_by_role("button", name="Use light colors")).to_be_visible()
    dark = page.evaluate(ground)
    assert dark != "rgb(255, 255, 255)"
    page.get_by_role("link", name="How ranking works").click()
    assert page.evaluate(ground) == dark
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Use light colors").click()
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_the_system_s_dark_mode_is_followed(page: Page, site: str) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(site)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"
    expect(page.get_by_role("button", name="Use light colors")).to_be_visible()


def test_a_phone_shows_what_matters_without_sideways_scrolling(page: Page, site: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(site)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("#board tbody tr th a").first.scroll_into_view_if_needed()
        box = page.locator("#board tbody tr").first.locator("td.acc").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
        page.get_by_label("Search names").fill("student0")
    page.locator("#board tbody tr:visible th a").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="How ranking works").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_page_is_wider_than_the_screen(page: Page, tmp_path: Path, width: int, scheme: str) -> None:
    """With several workloads, the widest board; what the table shows beside names fits the screen."""
    students = [
        row(f"student-with-a-long-name-{n}", {"small": [0.7 + n / 100] * 2, "large": [0.6 + n / 100] * 2})
        for n in range(12)
    ]
    broken = failed("broken", Verdict.CONTRACT, text="get_lr() returned one number, and it should return a list " * 3)
    several = public(board([*students, broken, *references()], RankBy.GAP_CLOSED), Names())
    Site(tmp_path).write(several)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    for path in [tmp_path / "index.html", tmp_path / "ranking.html", *(tmp_path / "s").iterdir()]:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto((tmp_path / "index.html").as_uri())
    box = page.locator("#board tbody tr").first.locator("td.acc").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width
    controls = page.locator("#board tbody tr").first.bounding_box()
    about = page.get_by_text("Other words", exact=True).bounding_box()
    assert controls is not None
    assert about is not None
    assert (about["y"] > controls["y"]) is (width == 390)  # on a phone the table comes first


def test_the_keyboard_alone_does_it_all(page: Page, site: str) -> None:
    page.goto(site)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search names")).to_be_focused()
    page.keyboard.type("student002")
    assert len(names(page)) == 10
    for _ in range(12):  # onwards to the heads of the table
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Name":
            break
    page.keyboard.press("Enter")
    assert names(page) == [f"student002{n}" for n in range(10)]
    while page.evaluate("document.activeElement.tagName") != "A":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("student0020")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["board", "scored", "failed", "ranking"])
def test_axe_finds_nothing_serious(page: Page, site: str, scheme: str, where: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(site)
    match where:
        case "scored":
            page.get_by_role("link", name="student0001", exact=True).click()
        case "failed":
            page.get_by_role("link", name="student0009", exact=True).click()
        case "ranking":
            page.get_by_role("link", name="How ranking works").click()
    results = Axe().run(page)
    found = [v for v in results.response["violations"] if v["impact"] in ("serious", "critical", "moderate")]
    assert not found, results.generate_report()


def test_without_scripts_everything_is_still_there(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    assert page.locator("#board tbody tr").count() == STUDENTS + 3
    assert not page.get_by_label("Search names").is_visible()
    assert not page.locator("#theme").is_visible()
    context.close()


def test_hostile_texts_are_texts(page: Page, tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    board = hostile_board(task, facts)
    page.goto(Site(tmp_path).write(public(board, Names())).as_uri())
    assert page.locator("#board tbody tr").count() == len(board.rows)
    assert page.get_by_text("<script>window.hacked=1</script>0", exact=True).count() == 1
    for path in [tmp_path / "index.html", *(tmp_path / "s").iterdir()]:
        page.goto(path.as_uri())
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.scripts.length") == 1
        assert page.evaluate("document.images.length") == 0


def test_nothing_foreign_could_run_even_if_it_came_through(
    browser: Browser, tmp_path: Path, large: PublicBoard
) -> None:
    """The content security policy by itself: markup is put into the page behind our back."""
    path = Site(tmp_path).write(large)
    text = path.read_text().replace("<h1>", "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'><h1>")
    path.write_text(text)
    complaints: list[str] = []
    other = browser.new_page()
    other.on("console", lambda message: complaints.append(message.text))
    other.goto(path.as_uri())
    assert other.evaluate("window.hacked") is None
    assert any("Content Security Policy" in text for text in complaints)
    other.close()


def test_a_live_page_updates_itself_until_told_not_to(page: Page, tmp_path: Path, large: PublicBoard) -> None:
    def at(done: int) -> PublicBoard:
        rows = large.rows[: 10 * done]
        return large.model_copy(update={"progress": Progress(done=done, total=9), "rows": rows})

    live = Site(tmp_path)
    page.goto(live.write(at(1)).as_uri())
    expect(page.locator("#live")).to_contain_text("1 of 9 done")
    page.get_by_label("Search names").fill("student")
    live.write(at(2))
    expect(page.locator("#live")).to_contain_text("2 of 9 done", timeout=20_000)
    expect(page.get_by_label("Search names")).to_have_value("student")
    page.get_by_role("button", name="Stop updating").click()
    live.write(at(3))
    page.wait_for_timeout(7_000)
    expect(page.locator("#live")).to_contain_text("2 of 9 done")
    page.get_by_role("button", name="Update again").click()
    expect(page.locator("#live")).to_contain_text("3 of 9 done", timeout=20_000)
    live.write(large)
    expect(page.locator("#live")).to_have_count(0, timeout=20_000)


def test_a_large_board_comes_in_pages_and_all_names_in_one(
    page: Page, tmp_path: Path, task: Task, facts: TaskFacts
) -> None:
    page.goto(Site(tmp_path).write(public(large_board(2100, task, facts), Names())).as_uri())
    pages = page.get_by_role("navigation", name="Pages of the board").first
    assert page.locator("#board tbody tr").count() == 1000
    expect(pages.locator("[aria-current=page]")).to_have_text("ranks 1 to 997")
    pages.get_by_role("link").nth(1).click()
    ranks = numbers(page, 1)
    assert ranks[0] == 998
    assert ranks == sorted(ranks)
    page.get_by_role("navigation", name="Pages of the board").first.get_by_role("link").nth(2).click()
    assert page.locator("#board tbody tr").count() == 103
    page.get_by_role("link", name="All names", exact=True).click()
    expect(page.locator("#count")).to_have_text("2103 names")
    page.get_by_label("Search names").fill("STUDENT1999")
    expect(page.locator("#count")).to_have_text("1 name")
    found = Axe().run(page).response["violations"]
    assert not [v for v in found if v["impact"] in ("serious", "critical", "moderate")]
    page.get_by_role("link", name="student1999", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("student1999")
    Site(tmp_path).write(public(large_board(20, task, facts), Names()))
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert not left & {"names.html", "board-2.html", "board-3.html"}


def test_a_thousand_rows_weigh_less_than_two_megabytes(tmp_path: Path, task: Task, facts: TaskFacts) -> None:
    path = Site(tmp_path).write(public(large_board(1000, task, facts), Names()))
    assert path.stat().st_size < 2_000_000

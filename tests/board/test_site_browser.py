"""The board's pages in a real browser: they fit a phone, light and dark, and load nothing."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from toy_board import NOON, made_up, toy_contest

from plantkit.board.board import Board
from plantkit.board.content import read_content
from plantkit.board.site import build_site

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
PAGES = ("index", "history", "challenges/circle-3x60", "submissions/1", "submissions/2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any, circle: Any, relu: Any) -> Path:
    root: Path = tmp_path_factory.mktemp("board")
    board = Board(
        toy_contest(root / "board.sqlite", circle, relu, closes=NOON + timedelta(days=9)),
        clock=lambda: NOON,
    )
    board.add_team("W" * 80, ["An author with a long name, and a title", "Another one"])
    board.add_team("Bob & <b>co</b>", [])
    board.add(made_up(circle, 0.4, name="a_file_with_a_very_long_name_" * 3), team="W" * 80)
    board.add(made_up(circle, None, error="ValueError: " + "x" * 300), team="Bob & <b>co</b>")
    build_site(board.path, read_content(board.path), root / "site", report=str)
    return root / "site"


@pytest.fixture(scope="module")
def browser() -> Any:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_pages_fit_and_load_nothing_else(site: Path, browser: Any, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    colours = set()
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (name, wide)
        assert page.locator("h1").count() == 1
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for region in page.locator("[role=region]").all():
            assert region.get_attribute("aria-label")
            assert region.get_attribute("tabindex") == "0"  # scrolled by keyboard
    assert said == []
    assert all(url.startswith("file://") for url in asked)
    assert colours == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 27, 25)"}
    page.close()


def test_the_first_key_leads_to_the_content(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.close()

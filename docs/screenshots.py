"""Takes the pictures of a report that the documentation shows.

    plantkit evaluate submissions/my_pruner.py edge-popup --run-dir run
    python docs/screenshots.py run

It needs the extras `report` and `dev`, and Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import ImageFile
from playwright.sync_api import Page, sync_playwright

from plantkit.evaluation.run_directory import read_run
from plantkit.reports.html import render

IMAGES = Path(__file__).parent / "images"
WIDTH = 1100


def take_standings(tab: Page) -> None:
    """Takes the head of the page, down to the chart of the scores."""
    chart = tab.locator("[data-kind=standings]")
    chart.locator("svg").wait_for()
    box = chart.bounding_box()
    assert box is not None
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 4}
    save(tab.screenshot(full_page=True, clip=clip), "report.png")


def take_network(tab: Page) -> None:
    """Takes SynFlow's mask on a circle, at the planted density."""
    for choice, label in (("challenge", "circle-5x100"), ("pruner", "synflow")):
        tab.locator(f"#net-{choice}").select_option(label=label)
    tab.locator("#net-density").select_option(index=0)
    tab.locator("#net-summary").filter(has_text="synflow on circle-5x100 at 1x").wait_for()
    first, last = (tab.locator(name).bounding_box() for name in ("#viewer", "#net-summary"))
    assert first is not None
    assert last is not None
    height = last["y"] + last["height"] - first["y"] + 24
    clip = {"x": 0, "y": first["y"] - 12, "width": WIDTH, "height": height}
    save(tab.screenshot(full_page=True, clip=clip), "report-network.png")


def save(picture: bytes, name: str) -> None:
    """Saves a picture with 64 colours, in a quarter of the bytes."""
    parser = ImageFile.Parser()
    parser.feed(picture)
    small = parser.close().convert("RGB").quantize(64)
    small.save(IMAGES / name, optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(render(read_run(Path(sys.argv[1]))), encoding="utf-8", newline="\n")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        tab.goto(file.as_uri())
        take_standings(tab)
        take_network(tab)
        browser.close()


if __name__ == "__main__":
    main()

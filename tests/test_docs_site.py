"""The documentation builds as a site without a warning, and its references miss nothing."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import plantkit
from plantkit.cli import COMMANDS
from plantkit.planting import FAMILIES, IMAGES

ROOT = Path(__file__).parent.parent


class Page(HTMLParser):
    """Collects ids, headings' links, and pictures without a text in their place."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if tag == "img" and not values.get("alt"):
            self.silent.append(str(values.get("src")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-d", target / "trees"]
    done = subprocess.run(
        [*command, ROOT / "docs", target / "html"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target / "html"


def page(site: Path, name: str) -> Page:
    found = Page()
    found.feed((site / name).read_text(encoding="utf-8"))
    return found


def test_the_reference_has_every_command(site):
    ids = page(site, "reference/cli.html").ids
    assert {f"plantkit-{name}" for name in COMMANDS} <= ids


def test_the_reference_has_every_public_name(site):
    ids = page(site, "reference/api.html").ids
    names = {name for name in plantkit.__all__ if name not in {"__version__", "hookimpl"}}
    # The name of PerceptronSpec before there were other kinds is not shown again.
    names.remove("NetworkSpec")
    assert {f"plantkit.{name}" for name in names} <= ids


def test_every_family_has_a_page_with_its_picture(site):
    for family in [*(set(FAMILIES) - set(IMAGES)), "images"]:
        html = (site / f"families/{family}.html").read_text(encoding="utf-8")
        assert f"{family}.svg" in html


def test_pictures_have_a_text_and_pages_can_be_searched(site):
    assert (site / "searchindex.js").is_file()
    for path in site.rglob("*.html"):
        assert page(site, str(path.relative_to(site))).silent == [], path

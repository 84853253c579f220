"""The page in a real browser: it opens offline, works by keyboard, and fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from builders import image_challenge

from plantkit.networks.layouts import layer_names
from plantkit.networks.masks import overlap
from plantkit.reports.page import render_page
from plantkit.scoring.layers import count_layers

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("vl_convert")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def file(evaluation, circle, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    page = render_page(evaluation, {circle.digest: circle.truth.ticket})
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def open_page(browser, file):
    """Opens the page; what it asks the network for or complains of fails the test at its end."""

    @contextmanager
    def opened(*, width: int = 1000, scheme: str = "light") -> Iterator:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        tab = context.new_page()
        complaints: list[str] = []
        requests: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(file.as_uri())
        yield tab
        context.close()
        assert complaints == []
        assert requests == [file.as_uri()]

    return opened


def scroll_through(tab) -> None:
    """Shows every chart once; each is drawn when it comes near the window."""
    for chart in tab.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg").wait_for()


def test_charts_are_drawn_and_attacks_are_inert(open_page, evaluation):
    with open_page() as tab:
        scroll_through(tab)
        assert tab.locator(".chart svg").count() == tab.locator(".chart").count() >= 5
        assert tab.evaluate("window.hacked") is None
        names = tab.locator(".chart").first.locator("svg text").all_text_contents()
        assert {"oracle", "random"} <= set(names)
        # Tooltips show names, too.
        tab.locator("[data-kind=curves] path[aria-roledescription=point]").first.hover(force=True)
        tab.locator("#vg-tooltip-element.visible").wait_for()
        assert tab.evaluate("window.hacked") is None
        attack = evaluation.entries[-1].label
        assert attack in tab.locator("#standings table").inner_text()


def test_tables_sort_by_keyboard(open_page):
    with open_page() as tab:
        table = tab.locator("#standings table").first
        score = table.get_by_role("button", name="score")
        heads = table.locator("thead th")
        column = [cell.strip() for cell in heads.all_text_contents()].index("score")

        def scores() -> list[float]:
            cells = table.locator(f"tbody tr > :nth-child({column + 1})").all_text_contents()
            return [float(cell) for cell in cells]

        assert len(scores()) == 3
        score.focus()
        tab.keyboard.press("Enter")
        assert heads.nth(column).get_attribute("aria-sort") == "descending"
        assert scores() == sorted(scores(), reverse=True)
        tab.keyboard.press("Space")
        assert heads.nth(column).get_attribute("aria-sort") == "ascending"
        assert scores() == sorted(scores())
        assert scores()[0] < scores()[-1]
        table.get_by_role("button", name="pruner").click()
        assert heads.nth(column).get_attribute("aria-sort") is None
        names = table.locator("tbody th").all_text_contents()
        assert names == sorted(names)
        assert table.locator("tfoot").inner_text().strip().startswith("(the ticket)")


def test_the_reader_picks_who_is_drawn(open_page):
    with open_page() as tab:
        chart = tab.locator("[data-kind=curves]").first
        lines = chart.locator("path[aria-roledescription='line mark']")
        chart.scroll_into_view_if_needed()
        sync_api.expect(lines).to_have_count(3)
        tab.get_by_label("random", exact=True).uncheck()
        sync_api.expect(lines).to_have_count(2)
        tab.locator("[data-pick=none]").click()
        sync_api.expect(lines).to_have_count(0)
        tab.locator("[data-pick=first]").click()
        sync_api.expect(lines).to_have_count(3)


def test_a_network_on_images_counts_what_the_masks_hold(browser, build, tmp_path):
    challenge = image_challenge()
    network, ticket = challenge.network, challenge.truth.ticket
    built = build(challenge)
    path = tmp_path / "images.html"
    page = render_page(built, {challenge.digest: ticket})
    path.write_text(page, encoding="utf-8", newline="\n")
    [record] = [
        one
        for one in built.records
        if one.pruner == "random" and one.seed == 1 and one.is_planted_density
    ]
    mask = built.masks[record.mask_sha256]
    tab = browser.new_page(viewport={"width": 360, "height": 800}, offline=True)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.goto(path.as_uri())
    tab.locator("#net-pruner").select_option(label="random")
    tab.locator("#net-seed").select_option(label="1")
    sync_api.expect(tab.locator("#net-summary")).to_contain_text("random on toy-images")
    sync_api.expect(tab.locator("#net-summary")).to_contain_text("seed 1")
    rows = tab.locator("#net-counts tbody tr")
    found = {
        row.locator("th").inner_text(): row.locator("td").all_text_contents() for row in rows.all()
    }
    layers = count_layers(network, mask, ticket)
    assert list(found)[:-1] == layer_names(network)
    assert list(found)[5] == "6: 8 to 12 channels, 1x1"
    for cells, layer in zip(found.values(), layers, strict=False):
        missed, wrong = layer.ticket - layer.found, layer.kept - layer.found
        assert list(map(int, cells[:4])) == [layer.ticket, layer.found, missed, wrong]
        assert int(cells[4]) + int(cells[5]) == layer.connected
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    tab.close()
    assert complaints == []


def test_the_network_counts_what_the_masks_hold(open_page, evaluation, circle):
    with open_page() as tab:
        ticket = circle.truth.ticket
        tab.locator("#net-pruner").select_option(label="random")
        tab.locator("#net-seed").select_option(label="1")
        [record] = [
            one
            for one in evaluation.records
            if one.pruner == "random" and one.seed == 1 and one.is_planted_density
        ]
        mask = evaluation.masks[record.mask_sha256]
        found = overlap(mask, ticket).true_positives
        summary = tab.locator("#net-summary")  # not a script: the page's policy allows none
        sync_api.expect(summary).to_contain_text("random on circle-3x60")
        sync_api.expect(summary).to_contain_text("seed 1")
        row = tab.locator("#net-counts tbody tr").last.locator("td").all_text_contents()
        alive = circle.network.connected(mask)
        live = sum(int(value.sum()) for value in alive.values())
        found_live = sum(int((alive[name] & ticket[name]).sum()) for name in ticket)
        counts = (ticket.kept, found, ticket.kept - found, mask.kept - found)
        assert [int(cell) for cell in row] == [*counts, found_live, live - found_live]
        assert 0 < live < mask.kept
        first = tab.locator("#net-counts tbody tr").first.locator("td").all_text_contents()
        names = ("layers.0.weight", "layers.0.bias")
        assert int(first[1]) == sum(int((mask[name] & ticket[name]).sum()) for name in names)


PIXELS = """() => {
  const canvas = document.getElementById("network");
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  let blue = 0, orange = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] < 100) continue;
    if (pixels[i + 2] > pixels[i] + 60) blue++;
    if (pixels[i] > pixels[i + 2] + 60) orange++;
  }
  return [blue, orange];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_found_and_wrong_are_drawn_apart(open_page, scheme):
    with open_page(scheme=scheme) as tab:
        tab.locator("#net-summary").filter(has_text="oracle").wait_for()
        blue, orange = tab.evaluate(PIXELS)
        assert blue > 200
        assert orange == 0
        tab.locator("#net-pruner").select_option(label="random")
        tab.locator("#net-summary").filter(has_text="random").wait_for()
        assert tab.evaluate(PIXELS)[1] > 200
        tab.locator("#show-wrong").uncheck()
        assert tab.evaluate(PIXELS)[1] == 0


@pytest.mark.parametrize(
    ("overlap_scored", "word", "other"),
    [(True, "wrong", "kept besides"), (False, "kept besides", "wrong")],
)
def test_only_where_overlap_is_scored_other_entries_are_wrong(
    browser, build, tmp_path, overlap_scored, word, other
):
    challenge = replace(image_challenge(), overlap_scored=overlap_scored)
    path = tmp_path / "page.html"
    page = render_page(build(challenge), {challenge.digest: challenge.truth.ticket})
    path.write_text(page, encoding="utf-8", newline="\n")
    tab = browser.new_page(offline=True)
    tab.goto(path.as_uri())
    sync_api.expect(tab.locator("#net-summary")).to_contain_text("toy-images")
    networks = tab.locator("#networks")
    sync_api.expect(networks).to_contain_text(f"{word}: kept, not in the ticket")
    heads = tab.locator("#net-counts thead th").all_text_contents()
    assert heads[4:] == [word, "found, on a path", f"{word}, on a path"]
    assert other not in networks.inner_text()
    assert "Bent lines over other columns are shortcuts with 1x1 kernels" in networks.inner_text()
    tab.close()


def test_a_failed_run_says_so(open_page, evaluation):
    with open_page() as tab:
        tab.locator("#net-pruner").select_option(label=evaluation.entries[-1].label)
        tab.locator("#net-summary").filter(has_text="This run failed").wait_for()


def test_nothing_is_wider_than_a_phone(open_page):
    with open_page(width=360) as tab:
        scroll_through(tab)
        for details in tab.locator("details summary").all():
            details.click()
        assert tab.evaluate("document.documentElement.scrollWidth") == 360


def test_it_is_dark_where_the_reader_wants_it(open_page):
    seen = []
    for scheme in ("light", "dark"):
        with open_page(scheme=scheme) as tab:
            seen.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            text, paper = (
                tab.evaluate(f"getComputedStyle(document.body).{name}")
                for name in ("color", "backgroundColor")
            )
            assert contrast(text, paper) > 7
            for number in range(8):
                line = tab.evaluate(
                    "(name) => { const span = document.createElement('span');"
                    "span.style.color = `var(${name})`; document.body.append(span);"
                    "return getComputedStyle(span).color }",
                    f"--c{number}",
                )
                assert contrast(line, paper) > 4.5
    assert seen[0] != seen[1]


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours "rgb(r, g, b)" as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_first_tab_skips_to_the_standings(open_page):
    with open_page() as tab:
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "skip"
        assert tab.locator(".skip").bounding_box()["x"] >= 0
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.activeElement.id") == "standings"

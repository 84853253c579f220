"""What is in a page, and what must not be: read back from its bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from plantkit.challenges.bundles import load
from plantkit.challenges.catalog import shipped_directory
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import read_manifest
from plantkit.networks.network import flatten
from plantkit.reports.html import render
from plantkit.reports.page import drawings, public_tickets, render_page, rendering
from plantkit.reports.page.figures import figures_of
from plantkit.reports.page.sections import Sections


@pytest.fixture(scope="module")
def tickets(circle):
    return {circle.digest: circle.truth.ticket}


@pytest.fixture(scope="module")
def page(evaluation, tickets):
    return render_page(evaluation, tickets)


def data_of(page: str):
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def digests(tickets):
    return {digest: ticket.digest() for digest, ticket in tickets.items()}


def unpacked(text: str, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns which parameters are kept, and which of them are dead."""
    packed = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    bits = np.unpackbits(packed)[: 2 * total].astype(bool)
    return bits[:total], bits[total:]


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text without scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] not in {"script", "style"}:
            self.text += data


def test_masks_are_read_back_bit_by_bit(page, evaluation, circle):
    networks = data_of(page)["networks"]
    [drawn] = networks["challenges"]
    kept, dead = unpacked(drawn["ticket"], circle.network.total)
    assert (kept == flatten(circle.network, circle.truth.ticket).numpy()).all()
    names = data_of(page)["pruners"]
    seen = 0
    for pruner, _, seed, number in drawn["runs"]:
        if number < 0:
            assert names[pruner] not in {"oracle", "random"}
            continue
        masks = {
            record.mask_sha256
            for record in evaluation.records
            if record.pruner == names[pruner] and record.seed == seed
        }
        kept, dead = unpacked(networks["masks"][number], circle.network.total)
        [mask] = [
            evaluation.masks[digest]
            for digest in masks
            if (flatten(circle.network, evaluation.masks[digest]).numpy() == kept).all()
        ]
        alive = flatten(circle.network, circle.network.connected(mask)).numpy()
        assert (dead == (kept & ~alive)).all()
        seen += dead.any()
    assert seen  # some mask has dead ends


def test_nothing_of_a_secret_ticket_is_in_the_page(evaluation, circle, tickets):
    """The oracle's masks are the ticket itself, so that no mask may be there either."""
    page = render(evaluation)
    assert public_tickets([circle]) == {}
    assert data_of(page)["networks"]["challenges"] == data_of(page)["networks"]["masks"] == []
    ticket = circle.truth.ticket
    encoded = drawings.encode(circle.network, ticket)
    assert encoded in render_page(evaluation, tickets)
    assert encoded not in page
    bits = np.packbits(flatten(circle.network, ticket).numpy()).tobytes()
    edges = json.dumps(flatten(circle.network, ticket).nonzero().flatten().tolist())
    for form in (bits.hex(), base64.b64encode(bits).decode().rstrip("="), edges, edges[1:40]):
        assert form not in page
    for blob in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", page):
        try:
            content = base64.b64decode(blob, validate=True)
        except ValueError:
            continue
        assert bits not in content
    assert "only tickets that ship with plantkit" in page
    # The overlap by density would help to guess it.
    assert re.findall(r'<button type="button">F1</button>', page) == []
    assert re.findall(r'<button type="button">F1</button>', render_page(evaluation, tickets))


def test_one_overlap_of_a_secret_ticket_is_not_in_the_standings(evaluation, circle, relu, tickets):
    def heads(challenges, tickets=(), densities=evaluation.protocol.densities):
        some = replace(
            evaluation,
            challenges=challenges,
            protocol=replace(evaluation.protocol, densities=densities),
        )
        (table,) = Sections(some, [], dict(tickets), []).standings
        return "overlap" in table.rows[0], any("not shown" in note for note in table.notes)

    circle, relu = (replace(one, overlap_scored=True) for one in (circle, relu))
    assert heads([circle]) == (False, True)
    assert heads([circle, relu], densities=(0.5,)) == (False, True)
    assert heads([circle, relu], densities=("planted", 0.5)) == (True, False)
    assert heads([circle, replace(relu, overlap_scored=False)]) == (False, True)
    assert heads([circle], {circle.digest: circle.truth.ticket}) == (True, False)


def test_the_command_says_limits_that_are_not_the_usual_ones(evaluation):
    assert "-limit" not in Sections(evaluation, [], {}, []).command
    settings = replace(evaluation.settings, time_seconds=1.5, memory_mib=512)
    command = Sections(replace(evaluation, settings=settings), [], {}, []).command
    assert command.endswith("--time-limit 1.5 --memory-limit 512")


def test_tickets_come_from_open_bundles_in_the_open_only(circle, relu, tiny_challenges, tmp_path):
    assert public_tickets([circle, relu]) == {}
    found = public_tickets([circle, relu], [tiny_challenges])
    assert digests(found) == {one.digest: one.truth.ticket.digest() for one in (circle, relu)}
    other = replace(circle, digest="0" * 64)
    assert public_tickets([other], [tiny_challenges]) == {}
    directory = shipped_directory() / "relu-5x100"
    manifest, digest = read_manifest(directory)
    shipped = ChallengeFacts.of(manifest, digest)
    assert digests(public_tickets([shipped])) == {digest: load(directory).truth.ticket.digest()}
    assert public_tickets([replace(shipped, digest="0" * 64)]) == {}


def test_a_sealed_bundle_is_not_opened_even_with_its_key(
    tiny_challenges, circle, tmp_path, monkeypatch, plantkit_cli
):
    pytest.importorskip("cryptography")
    key = tmp_path / "a.key"
    assert plantkit_cli("keygen", "--out", key).code == 0
    bundle = shutil.copytree(tiny_challenges / "circle-3x60", tmp_path / "sealed" / "circle-3x60")
    assert plantkit_cli("seal", bundle, "--key", f"{key}.pub").code == 0
    monkeypatch.setenv("PLANTKIT_KEY", key.read_text(encoding="utf-8"))
    assert read_manifest(bundle)[1] == circle.digest
    assert public_tickets([circle], [tmp_path / "sealed"]) == {}


def test_hostile_names_are_text(page, evaluation):
    parsed = Page(page)
    assert [attrs for tag, attrs in parsed.elements if tag == "img"] == []
    scripts = [attrs for tag, attrs in parsed.elements if tag == "script"]
    assert [attrs.get("type") for attrs in scripts] == ["application/json", None, None]
    assert not any(name.startswith("on") for _, attrs in parsed.elements for name in attrs)
    attack = evaluation.entries[-1].label
    assert attack in parsed.text
    assert "{{7*7}}" in parsed.text
    assert attack in data_of(page)["pruners"]


def test_the_policy_allows_the_scripts_that_are_there_and_no_other(page):
    [policy] = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    bodies = re.findall(r"<script>(.*?)</script>", page, re.S)
    digests = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
    allowed = re.findall(r"sha256-([^&;' ]+)", policy.replace("&#39;", "'"))
    assert allowed == digests
    assert "default-src 'none'" in policy.replace("&#39;", "'")
    assert "unsafe-eval" not in policy


def test_the_folders_of_submissions_are_not_told(page):
    assert "somebody" not in page
    assert "plantkit evaluate oracle.py random.py" in Page(page).text


def test_curves_are_means_with_their_range(evaluation, circle):
    [strong, weak] = [one for one in figures_of(evaluation) if one.kind == "curves"]
    for figure, track in ((strong, "strong"), (weak, "weak")):
        for row in figure.data["runs"]:
            mine = [
                record
                for record in evaluation.records
                if record.pruner == row["pruner"]
                and record.target_density == pytest.approx(row["density"], rel=1e-4)
            ]
            digits = [record.strong.recovered_digits for record in mine]
            if track == "weak":
                digits = [
                    max(x, one.weak.recovered_digits) for x, one in zip(digits, mine, strict=True)
                ]
            assert len(mine) == row["runs"] == 2
            assert row["digits"] == pytest.approx(fmean(digits), abs=1e-4)
            assert (row["low"], row["high"]) == pytest.approx((min(digits), max(digits)), abs=1e-4)
            assert row["failed"] == sum(record.status == "crash" for record in mine)
    assert len(strong.data["runs"]) == 6
    [planted] = strong.data["planted"]
    assert planted["density"] == pytest.approx(circle.planted_density, rel=1e-4)
    assert [row["digits"] for row in strong.data["levels"] if row["label"] == "ticket"] == [1.0]


def test_the_front_is_of_those_whom_nobody_beats_with_as_little(evaluation):
    [effort] = [one for one in figures_of(evaluation) if one.kind == "effort"]
    front = {row["pruner"]: row["front"] for row in effort.data["points"]}
    assert front["oracle"]
    assert front["random"]
    dear = replace(
        evaluation,
        records=[
            replace(one, effort=9.0) if one.pruner == "random" else one
            for one in evaluation.records
        ],
    )
    [effort] = [one for one in figures_of(dear) if one.kind == "effort"]
    assert not {row["pruner"]: row["front"] for row in effort.data["points"]}["random"]


def test_masks_that_do_not_fit_are_left_out_and_counted(evaluation, tickets, monkeypatch):
    whole = drawings.drawings_of(evaluation, tickets)
    assert (whole.shown, whole.left_out) == (8, 0)
    texts = sorted(len(text) for text in whole.value["masks"])
    some = drawings.drawings_of(evaluation, tickets, most_characters=sum(texts) - texts[-1])
    assert 0 < some.left_out < 8
    assert some.shown + some.left_out == 8
    assert sum(map(len, some.value["masks"])) <= sum(texts) - texts[-1]
    monkeypatch.setattr(rendering, "drawings_of", lambda *_: some)
    assert f"{some.left_out} of 8 masks are left out" in render_page(evaluation, tickets)


def test_the_documentation_says_how_many_masks_fit():
    page = Path(__file__).parents[3] / "docs" / "reports.md"
    words = " ".join(page.read_text(encoding="utf-8").split())
    assert f"at most {drawings.MOST_CHARACTERS // 2**20} MiB of masks" in words


def test_masks_that_were_not_kept_are_asked_for(evaluation, tickets):
    page = render_page(replace(evaluation, masks={}), tickets)
    assert "--run-dir" in page
    assert 'id="viewer"' not in page


def test_a_mask_of_another_shape_is_not_drawn(evaluation, tickets, relu):
    masks = dict.fromkeys(evaluation.masks, relu.truth.ticket)
    assert drawings.drawings_of(replace(evaluation, masks=masks), tickets).shown == 0


def test_without_the_extra_all_but_the_charts_is_there(evaluation, tickets, monkeypatch):
    monkeypatch.setattr(rendering, "can_draw", lambda: False)
    page = render_page(evaluation, tickets)
    assert 'pip install "plantkit[report]"' in Page(page).text
    assert len(re.findall("<script>", page)) == 1
    assert 'id="viewer"' in page
    assert len(page) < 200_000


def test_the_same_evaluation_gives_the_same_bytes(page, evaluation, tickets):
    assert render_page(evaluation, tickets) == page


def test_an_evaluation_without_results_is_a_page_too(evaluation):
    empty = replace(evaluation, entries=[], records=[], standings=[], masks={})
    assert "No run failed" in render_page(empty, {})


def test_notes_of_merged_runs_are_told(evaluation, tickets):
    assert "torch: 1 in &lt;a&gt;" in render_page(evaluation, tickets, notes=["torch: 1 in <a>"])

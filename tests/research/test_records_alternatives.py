"""Records of other tickets: what is written, and what `show` prints and refuses."""

from __future__ import annotations

import datetime
import json

import pytest

from plantkit.challenges.bundles import load, read_manifest, read_stated
from plantkit.challenges.catalog import shipped_directory
from plantkit.challenges.freezing import add_record
from plantkit.challenges.frozen import ALTERNATIVES
from plantkit.errors import BundleError, UsageError
from plantkit.research.alternatives.inquiry import Inquiry, inquire
from plantkit.research.alternatives.neighbourhood import explore
from plantkit.research.records import (
    check_records,
    describe_neighbourhood,
    describe_search,
    read_alternatives,
)
from plantkit.schemas import violations

DATE = datetime.date(2026, 1, 2)


def write(bundle, record):
    add_record(bundle, ALTERNATIVES, json.dumps(record).encode())


@pytest.fixture(scope="module")
def record(circle):
    warnings = []
    inquiry = Inquiry(pruners=("magnitude", "random"), seeds=2, jobs=1, isolation="none")
    made = inquire(circle, inquiry, date=DATE, warn=warnings.append)
    assert warnings == []
    return made


def test_a_record_says_what_was_searched_and_found(record, circle):
    assert violations(record, "alternatives") == []
    assert record["bundle_sha256"] == circle.digest
    assert record["date"] == "2026-01-02"
    search = record["search"]
    assert search["searchers"] == [
        {"pruner": "magnitude", "runs": 2, "failed": 0},
        {"pruner": "random", "runs": 2, "failed": 0},
    ]
    assert search["masks"] == 3  # magnitude does not depend on the seed
    assert len(search["found"]) == 4
    assert all(one["kept"] == circle.ticket_kept for one in search["found"])
    assert search["best"]["strong"] == max(one["strong"] for one in search["found"])
    assert search["as_good"] == 0
    around = explore(circle)
    found = record["neighbourhood"]
    assert found["smallest_effect"] == min(entry.effect for entry in around.entries) > 0
    assert found["smallest_loss"] == min(entry.dropped for entry in around.entries)
    within = found["within_tolerance"]
    assert within["exchangeable"] == around.exchangeable(0.01) >= within["droppable"]
    assert within["tickets"] == around.tickets(0.01) >= found["without_loss"]["tickets"]
    assert found["screened"] == around.screened
    assert found["measured"] == sum(len(entry.exchanged) for entry in around.entries)


def test_a_record_does_not_say_where_the_ticket_is(record):
    assert "layers" not in json.dumps(record)


def test_a_record_stands_next_to_a_bundle_and_leaves_its_digest_alone(
    record, copied_bundle, plantkit_cli
):
    _, digest = read_manifest(copied_bundle)
    assert read_alternatives(copied_bundle, read_stated(copied_bundle)) is None
    shown = " ".join(plantkit_cli("show", copied_bundle).out.split())
    assert "none was searched for" in shown
    write(copied_bundle, record)
    assert read_alternatives(copied_bundle, read_stated(copied_bundle)) == record
    assert load(copied_bundle).digest == digest
    outcome = plantkit_cli("show", copied_bundle)
    assert outcome.code == 0, outcome
    shown = " ".join(outcome.out.split())
    assert f"tickets found {describe_search(record)}" in shown
    assert "none was searched for" not in shown
    assert f"its entries {describe_neighbourhood(record)}" in shown


def test_lines_for_people(record):
    line = describe_search(record)
    assert line.startswith("0 of 4 masks found by magnitude (2), random (2) as good within 0.01;")
    best = record["search"]["best"]
    assert f"best strong {best['strong']:.4f} with {best['kept']} entries" in line
    assert line.endswith("2026-01-02")
    within = record["neighbourhood"]["within_tolerance"]
    line = describe_neighbourhood(record)
    assert f"{within['exchangeable']:.0%} exchanged alone" in line
    assert f"(at least {within['tickets']} other tickets)" in line
    nothing = record | {"search": record["search"] | {"best": None, "found": []}}
    assert describe_search(nothing).startswith("none: no run of magnitude (2), random (2) gave")


def test_a_record_of_another_bundle_is_refused(record, copied_bundle, plantkit_cli):
    other = record | {"bundle_sha256": "0" * 64}
    write(copied_bundle, other)
    with pytest.raises(BundleError, match=f"is of the bundle {'0' * 64}; this one's digest is"):
        read_alternatives(copied_bundle, read_stated(copied_bundle))
    outcome = plantkit_cli("show", copied_bundle)
    assert outcome.code == 4
    assert "plantkit alternatives --write" in outcome.err


@pytest.mark.parametrize(
    "change",
    [{"tolerance": 0}, {"date": "today"}, {"search": {}}, {"more": 1}, {"schema_version": 2}],
)
def test_a_broken_record_is_named(change, record, copied_bundle):
    write(copied_bundle, record | change)
    with pytest.raises(BundleError, match="breaks its schema"):
        read_alternatives(copied_bundle, read_stated(copied_bundle))


def test_a_pruner_given_twice_is_refused(circle):
    with pytest.raises(UsageError, match="given twice"):
        inquire(circle, Inquiry(pruners=("snip", "snip")), date=DATE, warn=print)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(challenge="circle-3x61"), "challenge is circle-3x61; .* circle-3x60"),
        (lambda r: r["ticket"].update(kept=3), r"ticket\.kept is 3"),
        (lambda r: r["ticket"].update(strong=0.5), r"ticket\.strong is 0\.5"),
        (lambda r: r["search"].update(as_good=1), r"search\.as_good is 1; .* give 0"),
        (lambda r: r["search"].update(best=None), r"search\.best is None"),
        (lambda r: r["search"].update(masks=5), r"search\.masks is 5; the record gives at most 4"),
        (lambda r: r["search"]["found"][0].update(recovered=0.99), r"0\]\.recovered is 0\.9"),
        (lambda r: r["search"]["found"][1].update(as_good=True), r"as_good is 0; .* give 1"),
        (lambda r: r["search"]["found"][2].update(kept=10**6), r"found\[2\]\.as_sparse is True"),
        (lambda r: r["neighbourhood"].update(screened=1), r"neighbourhood\.measured is \d+; .* 1$"),
    ],
)  # fmt: skip
def test_figures_that_cannot_be_of_the_bundle_are_refused(change, message, record, copied_bundle):
    write(copied_bundle, record)
    assert check_records(copied_bundle, read_stated(copied_bundle)) == [ALTERNATIVES]
    other = json.loads(json.dumps(record))
    change(other)
    if "best" not in message:
        other["search"]["best"] = max(other["search"]["found"], key=lambda one: one["strong"])
    write(copied_bundle, other)
    with pytest.raises(BundleError, match=message):
        check_records(copied_bundle, read_stated(copied_bundle))


def test_shipped_records_hold_for_their_bundles():
    found = list(shipped_directory().glob(f"*/{ALTERNATIVES}"))
    assert found
    for path in found:
        assert ALTERNATIVES in check_records(path.parent, read_stated(path.parent))

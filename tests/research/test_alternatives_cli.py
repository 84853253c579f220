"""`plantkit alternatives` as its users meet it."""

from __future__ import annotations

import json

import pytest

from plantkit.challenges.freezing import freeze_anew
from plantkit.schemas import violations

QUICK = ("--pruner", "magnitude", "--jobs", "1", "--isolation", "none")


@pytest.fixture
def alternatives(plantkit_cli, tiny_challenges):
    return lambda *arguments: plantkit_cli(
        "alternatives", *arguments, "--challenges", tiny_challenges
    )


def test_a_table_of_bundles(alternatives, circle):
    outcome = alternatives("relu-3x8", "circle-3x60", *QUICK, "--format", "markdown")
    assert outcome.code == 0, outcome
    header, _, relu_row, circle_row, *_ = outcome.out.splitlines()
    columns = [text.strip() for text in header.strip("|").split("|")]
    rows = [
        dict(zip(columns, (text.strip() for text in row.strip("|").split("|")), strict=True))
        for row in (relu_row, circle_row)
    ]
    assert [row["challenge"] for row in rows] == ["relu-3x8", "circle-3x60"]
    assert rows[1]["entries"] == str(circle.ticket_kept)
    assert rows[1]["ticket"] == f"{circle.ticket.strong:.4f}"
    assert rows[1]["as good"] == "0 of 1"
    assert rows[1]["by"] == "magnitude"
    assert "lose at most 1% of the ticket's gain" in outcome.out


def test_json_is_of_the_schema_and_written_next_to_the_bundle(plantkit_cli, copied_bundle):
    before = {path.name: path.read_bytes() for path in copied_bundle.iterdir()}
    outcome = plantkit_cli(
        *("alternatives", copied_bundle, *QUICK, "--format", "json", "--write"),
        *("--tolerance", "0.05", "--candidates", "10", "--measured", "2"),
    )
    assert outcome.code == 0, outcome
    [record] = json.loads(outcome.out)
    assert violations(record, "alternatives") == []
    assert record["tolerance"] == 0.05
    assert record["neighbourhood"]["candidates"] == 10
    assert record["neighbourhood"]["measured_per_entry"] == 2
    assert json.loads((copied_bundle / "alternatives.json").read_text()) == record
    (copied_bundle / "alternatives.json").unlink()
    freeze_anew(copied_bundle)
    assert {path.name: path.read_bytes() for path in copied_bundle.iterdir()} == before


def test_a_pruner_that_fails_is_named_and_the_rest_is_still_told(alternatives, write):
    path = write("def prune(problem, density, seed):\n    raise RuntimeError('no luck')\n")
    outcome = alternatives("relu-3x8", "--pruner", path, *QUICK[2:], "--format", "json")
    assert outcome.code == 0, outcome
    assert "seed 0: crash" in outcome.err
    assert "no luck" in outcome.err
    [record] = json.loads(outcome.out)
    assert record["search"]["best"] is None
    assert record["search"]["searchers"] == [{"pruner": "mine", "runs": 1, "failed": 1}]
    assert record["neighbourhood"]["measured"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["circle-3x6"], "did you mean 'circle-3x60'"),
        (["relu-3x8", "--pruner", "magnitud"], "did you mean 'magnitude'"),
        (["relu-3x8", "--pruner", "snip", "--pruner", "snip"], "given twice"),
        (["relu-3x8", "--tolerance", "1"], "1.0 is not in the range"),
        (["relu-3x8", "--tolerance", "nan"], "'nan' is not finite"),
        (["relu-3x8", "--seeds", "0"], "0 is not in the range"),
        (["relu-3x8", "--output", "nowhere/to/be.md"], "is not a directory"),
        ([], "Missing argument"),
    ],
)
def test_usage_errors(alternatives, arguments, message):
    outcome = alternatives(*arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_sealed_bundle_takes_its_key(plantkit_cli, copied_bundle, tmp_path):
    key = tmp_path / "key"
    assert plantkit_cli("keygen", "--out", key).code == 0
    sealed = plantkit_cli("seal", copied_bundle, "--key", key)
    assert sealed.code == 0, sealed
    outcome = plantkit_cli("alternatives", copied_bundle, *QUICK)
    assert outcome.code == 2
    assert "is sealed, and no key was given" in outcome.err
    outcome = plantkit_cli("alternatives", copied_bundle, *QUICK, "--key", key, "--write")
    assert outcome.code == 0, outcome
    assert "tickets found" in plantkit_cli("show", copied_bundle).out  # one digest, sealed or not

"""An evaluation as JSON, field by field, and a record's way to JSON and back."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

import pytest
from builders import record_of

from plantkit.challenges.bundles import Challenge
from plantkit.machine import environment, git_hash
from plantkit.pruners.sources import PrunerSource
from plantkit.schemas import violations
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import Standing
from plantkit.scoring.records import Record
from plantkit.version import __version__

MINE = Entry(
    label="mine",
    source=PrunerSource(path="/x/mine.py", options={"rounds": "3"}),
    reference="arXiv 1",
    sha256="5" * 64,
)
OTHER = Entry(
    label="snip",
    source=PrunerSource(name="snip"),
    plugin="snip",
    version="1.5",
    module="m:f",
    rewind=70,
)
STANDING = Standing(
    rank=1,
    pruner="mine",
    score=50.5,
    low=49.0,
    high=52.0,
    strong_area=0.25,
    weak_area=0.5,
    overlap_area=0.75,
    f1=None,
    failures=2,
    seconds=1.5,
)


@pytest.fixture
def evaluation(circle: Challenge, relu: Challenge) -> Evaluation:
    return Evaluation(
        entries=[MINE, OTHER],
        challenges=[circle, relu],
        suite="tiny",
        protocol=Protocol(
            densities=("planted", "3x", 0.5),
            seeds=4,
            strong_weight=2.0,
            weak_weight=3.0,
            overlap_weight=5.0,
            family_weights={"relu": 0.5},
        ),
        records=[
            record_of(circle, seed=1),
            record_of(relu),
            record_of(circle, pruner="snip"),
            record_of(circle, seed=0),
        ],
        standings=[STANDING],
        settings=Settings(
            jobs=6,
            device="cuda",
            isolation="full",
            speed=1.25,
            time_seconds=60.0,
            memory_mib=512,
        ),
        started="2030-01-02T03:04:05+00:00",
    )


def test_every_field_of_the_json(evaluation: Evaluation, circle: Challenge) -> None:
    found = json.loads(json.dumps(evaluation.to_json()))
    assert violations(found, "results") == []
    assert {key: found[key] for key in ("schema_version", "plantkit_version")} == {
        "schema_version": 2,
        "plantkit_version": __version__,
    }
    assert found["scoring_version"] == 2
    assert found["run"] == {
        "date": "2030-01-02T03:04:05+00:00",
        "seeds": 4,
        "suite": "tiny",
        "densities": ["planted", "3x", 0.5],
        "weights": {"strong": 2.0, "weak": 3.0, "overlap": 5.0},
        "family_weights": {"relu": 0.5},
        "interval_covers": "seeds",
        "device": "cuda",
        "threads": 6,
        "isolation": "full",
        "speed": 1.25,
        "limits": {"time_seconds": 60.0, "memory_mib": 512},
        "git_hash": git_hash(),
    }
    assert found["env"] == environment()
    first, second = found["challenges"]
    assert first == {
        "id": "circle-3x60",
        "bundle_sha256": circle.digest,
        "family": "circle",
        "planted_density": circle.planted_density,
        "overlap_scored": circle.overlap_scored,
        "trivial": circle.trivial,
        "ticket": circle.ticket.strong,
        "dense": circle.dense.weak,
        "trained_reference": max(circle.ticket.weak, circle.dense.weak),
        "manifest": circle.manifest,
    }
    assert second["id"] == "relu-3x8"
    assert found["pruners"] == [
        {
            "name": "mine",
            "path": "/x/mine.py",
            "sha256": "5" * 64,
            "plugin": None,
            "version": None,
            "options": {"rounds": "3"},
            "reference": "arXiv 1",
            "rewind": 0,
        },
        {
            "name": "snip",
            "path": None,
            "sha256": None,
            "plugin": "snip",
            "version": "1.5",
            "options": {},
            "reference": "",
            "rewind": 70,
        },
    ]
    assert found["records"] == [asdict(record) for record in evaluation.records]
    assert found["standings"] == [asdict(STANDING)]
    assert set(found) == {
        "schema_version", "plantkit_version", "scoring_version", "run", "env", "challenges",
        "pruners", "records", "standings",
    }  # fmt: skip


def test_the_records_of_a_pruner_on_a_challenge(
    evaluation: Evaluation, circle: Challenge, relu: Challenge
) -> None:
    assert [record.seed for record in evaluation.records_of("mine", circle)] == [1, 0]
    assert evaluation.records_of("mine", relu) == [evaluation.records[1]]
    assert evaluation.records_of("snip", circle) == [evaluation.records[2]]
    assert evaluation.records_of("snip", relu) == []
    # A challenge is known by its digest: another version of it has the same id.
    assert evaluation.records_of("mine", replace(circle, digest="0" * 64)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strong": {"recovered_digits": 92.5}}, "strong recovered_digits is 92.5"),
        ({"weak": {"recovered_accuracy": math.nan}}, "weak recovered_accuracy is nan"),
        ({"weak": {"recovered_digits": -0.1}}, "weak recovered_digits is -0.1"),
        ({"overlap": {"adjusted_recall": 1.5}}, "overlap adjusted_recall is 1.5"),
        ({"density": 2.0}, "density is 2.0"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"seconds": -1.0}, "seconds is -1.0"),
    ],
)
def test_a_record_with_a_figure_that_no_run_has_is_refused(
    circle: Challenge, changes: dict[str, Any], words: str
) -> None:
    value = record_of(circle).to_json()
    for name, change in changes.items():
        value[name] = value[name] | change if isinstance(change, dict) else change
    with pytest.raises(ValueError, match=rf"{re.escape(words)}; expected"):
        Record.from_json(value)


@pytest.mark.parametrize(
    "changes", [{}, {"peak_rss_mib": None, "mask_sha256": "a" * 64, "metrics": {}}]
)
def test_a_record_comes_back_from_json(circle: Challenge, changes: dict[str, Any]) -> None:
    record = record_of(circle, **changes)
    value = json.loads(json.dumps(record.to_json()))
    assert value["strong"] == {
        "performance": 0.11,
        "recovered_accuracy": 0.12,
        "recovered_digits": 0.13,
    }
    assert value["weak"] == {
        "performance": 0.21,
        "recovered_accuracy": 0.22,
        "recovered_digits": 0.23,
    }
    before = json.dumps(value)
    assert Record.from_json(value) == record
    assert json.dumps(value) == before  # what it is given stays as it is
    assert record.key == ("mine", circle.digest, 0.5, 0)

"""Evaluations of several days and machines as one, and what is never mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import record_of

from plantkit.challenges.facts import ChallengeFacts
from plantkit.errors import ResultsError, UsageError
from plantkit.pruners.sources import PrunerSource
from plantkit.schemas import violations
from plantkit.scoring.completeness import missing_runs
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Provenance, Settings
from plantkit.scoring.merging import merge
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import TrackScore
from plantkit.scoring.starts import rank_by_start

PROTOCOL = Protocol(densities=(0.5,), seeds=2)


def entry(label: str, sha256: str | None = None, **changes: Any) -> Entry:
    plugin = "" if sha256 else label
    return Entry(
        label=label,
        source=PrunerSource(name=label, options=changes.pop("options", {})),
        sha256=sha256,
        plugin=plugin,
        version=changes.pop("version", "" if sha256 else "1"),
        **changes,
    )


def run(
    challenges: list[ChallengeFacts], entries: list[Entry], values: dict[str, float], **changes: Any
) -> Evaluation:
    """values: recovered digits by pruner."""
    protocol = changes.pop("protocol", PROTOCOL)
    records = [
        record_of(
            challenge,
            pruner=one.label,
            seed=seed,
            weak=TrackScore(
                performance=0.5, recovered_accuracy=0.5, recovered_digits=values[one.label]
            ),
        )
        for challenge in challenges
        for one in entries
        for seed in range(protocol.seeds)
    ]
    return Evaluation(
        entries=entries,
        challenges=challenges,
        suite=changes.pop("suite", "tiny"),
        protocol=protocol,
        records=records,
        standings=rank_by_start(challenges, records, protocol),
        settings=changes.pop("settings", Settings()),
        started=changes.pop("started", "2026-01-01T00:00:00+00:00"),
        **changes,
    )


MINE, YOURS, SNIP = entry("mine", "1" * 64), entry("yours", "2" * 64), entry("snip")


def test_one_run_is_itself(circle):
    one = run([circle], [MINE], {"mine": 0.5})
    assert merge({"runs/a": one}).evaluation is one
    assert merge({"runs/a": one}).notes == ()


def test_pruners_of_all_runs_are_ranked_and_the_same_one_counts_once(circle, relu):
    a = run([circle, relu], [MINE, SNIP], {"mine": 0.5, "snip": 0.3})
    b = run([circle, relu], [YOURS, SNIP], {"yours": 0.7, "snip": 0.4}, started="2025-12-31")
    merged = merge({"runs/a": a, "runs/b.json": b})
    found = merged.evaluation
    assert [one.pruner for one in found.standings] == ["yours", "mine", "snip"]
    assert missing_runs(found.entries, found.challenges, found.protocol, found.records) == []
    assert found.standings[2].score == pytest.approx(a.standings[1].score)
    assert found.started == "2025-12-31"
    assert merged.notes == [
        "In several runs, of which the first counts: snip.",
        "snip: 4 of 4 runs came out otherwise in runs/b.json, which does not count.",
    ]
    assert violations(found.to_json(), "results") == []
    order = [(one.challenge, one.pruner, one.seed) for one in found.records]
    assert order == [
        (challenge.id, label, seed)
        for challenge in (circle, relu)
        for label in ("mine", "snip", "yours")
        for seed in (0, 1)
    ]
    # Where they agree, nothing is said of it.
    same = merge({"a": a, "b": a})
    assert same.notes == ["In several runs, of which the first counts: mine, snip."]
    assert same.evaluation.standings == a.standings


@pytest.mark.parametrize(
    "other",
    [
        entry("mine", "3" * 64),
        entry("mine", "1" * 64, options={"k": "2"}),
        entry("mine", "1" * 64, rewind=5),
        entry("mine", version="2"),
        Entry(label="mine", source=PrunerSource(name="mine")),
    ],
)
def test_different_pruners_of_one_name_are_told_apart(circle, other):
    a = run([circle], [MINE], {"mine": 0.5})
    b = run([circle], [other], {"mine": 0.25})
    merged = merge({"x/a": a, "x/b.json": b})
    assert [one.label for one in merged.evaluation.entries] == ["mine (a)", "mine (b)"]
    assert {one.pruner for one in merged.evaluation.standings} == {"mine (a)", "mine (b)"}
    assert merged.notes == [
        "mine differs between runs (other files, version or options): shown as mine (a), mine (b)."
    ]
    # Runs of one short name are known by their paths; a third run has the first's pruner.
    again = merge({"x/a": a, "y/a": b, "z/a": a}).evaluation
    assert [one.label for one in again.entries] == ["mine (x/a)", "mine (y/a)"]


def test_a_name_that_is_taken_is_not_given_again(circle):
    a = run([circle], [MINE, entry("mine (b)", "5" * 64)], {"mine": 0.5, "mine (b)": 0.1})
    b = run([circle], [entry("mine", "3" * 64)], {"mine": 0.25})
    labels = [one.label for one in merge({"a": a, "b": b}).evaluation.entries]
    assert labels == ["mine (a)", "mine (b)", "mine (b, 2)"]


def test_parts_of_a_grid_make_a_whole(circle, relu):
    a = run([circle], [MINE, SNIP], {"mine": 0.5, "snip": 0.3}, suite=None)
    b = run([relu], [MINE, SNIP], {"mine": 0.6, "snip": 0.2}, suite=None)
    whole = run([circle, relu], [MINE, SNIP], {"mine": 0.5, "snip": 0.3})
    found = merge({"a": a, "b": b}).evaluation
    assert [one.pruner for one in found.standings] == ["mine", "snip"]
    assert len(found.records) == len(whole.records)
    short = run([relu], [MINE], {"mine": 0.6})
    with pytest.raises(ResultsError, match="snip has not run on relu-3x8") as info:
        merge({"a": a, "b": short})
    assert "b has relu-3x8" in str(info.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 3}, "seeds: 2 in runs/a; 3 in runs/b"),
        ({"densities": (0.5, "3x")}, "densities: 0.5 in runs/a; 0.5, 3x in runs/b"),
        ({"weak_weight": 2.0}, "weights: strong 1, weak 1, overlap 1 in runs/a; strong 1, weak 2"),
        ({"family_weights": {"relu": 0.25}}, "family weights: all 1 in runs/a; relu 0.25 in"),
    ],
)
def test_other_protocols_are_not_mixed(circle, changes, words):
    a = run([circle], [MINE], {"mine": 0.5})
    b = run([circle], [MINE], {"mine": 0.5}, protocol=replace(PROTOCOL, **changes))
    with pytest.raises(ResultsError) as info:
        merge({"runs/a": a, "runs/b": b})
    assert words in str(info.value)


def test_protocols_that_mean_the_same_are_mixed(circle):
    a = run([circle], [MINE], {"mine": 0.5}, protocol=replace(PROTOCOL, densities=(0.5, "3x")))
    other = replace(PROTOCOL, densities=("3x", 0.5), family_weights={"circle": 1.0})
    b = run([circle], [YOURS], {"yours": 0.5}, protocol=other)
    assert len(merge({"a": a, "b": b}).evaluation.standings) == 2


def test_other_bundles_are_not_mixed(circle):
    a = run([circle], [MINE], {"mine": 0.5})
    b = run([replace(circle, digest="9" * 64)], [MINE], {"mine": 0.5})
    with pytest.raises(ResultsError) as info:
        merge({"runs/a": a, "runs/b": b})
    assert f"the bundle circle-3x60: {circle.digest[:16]} in runs/a; 9999" in str(info.value)


def test_what_may_change_a_score_a_little_is_told(circle):
    here = {"python": "3.11", "torch": "2.4", "numpy": "2", "platform": "Linux"}
    a = run(
        [circle],
        [MINE],
        {"mine": 0.5},
        settings=Settings(isolation="full", jobs=2, speed=1.5),
        provenance=Provenance(plantkit_version="1", environment=here, git_hash="a" * 40),
    )
    b = run(
        [circle],
        [YOURS],
        {"yours": 0.5},
        settings=Settings(isolation="watched", jobs=4, speed=2.0),
        provenance=Provenance(
            plantkit_version="1", environment=here | {"torch": "2.5"}, git_hash="b" * 40
        ),
    )
    merged = merge({"a": a, "b": b, "c": b})
    assert merged.notes[1:] == [
        "isolation: full in a; watched in b, c",
        "commit: aaaaaaaaaaaaaaaa in a; bbbbbbbbbbbbbbbb in b, c",
        "torch: 2.4 in a; 2.5 in b, c",
    ]
    assert merged.evaluation.settings == Settings(isolation="watched", jobs=4, speed=None)
    provenance = merged.evaluation.provenance
    assert provenance.environment == here | {"torch": "2.4, 2.5"}
    assert (provenance.plantkit_version, provenance.git_hash) == ("1", None)
    # A run outside of a repository has no commit that could differ.
    nowhere = replace(b, provenance=replace(b.provenance, git_hash=None))
    assert not any("commit" in note for note in merge({"a": a, "b": nowhere}).notes)


def test_other_limits_are_told_with_the_runs_that_they_ended(circle):
    a = run([circle], [MINE], {"mine": 0.5}, settings=Settings(time_seconds=60.0))
    b = run([circle], [YOURS], {"yours": 0.5}, settings=Settings(memory_mib=512))
    merged = merge({"a": a, "b": b})
    assert merged.notes == [
        "time limit: 60 s in a; 300 s in b",
        "memory limit: 4096 MiB in a; 512 MiB in b",
    ]
    assert merged.evaluation.settings == Settings(time_seconds=None, memory_mib=None)
    assert violations(merged.evaluation.to_json(), "results") == []
    failed = replace(a, records=[replace(a.records[0], status="timeout"), *a.records[1:]])
    assert merge({"a": failed, "b": b}).notes == [
        "time limit: 60 s in a; 300 s in b. Runs that it ended, and another might not: 1 in a",
        "memory limit: 4096 MiB in a; 512 MiB in b",
    ]


def test_masks_of_all_runs_are_there(circle):
    ticket = circle.truth.ticket
    a = run([circle], [MINE], {"mine": 0.5}, masks={"x": ticket})
    b = run([circle], [YOURS], {"yours": 0.5}, masks={"y": ticket})
    assert set(merge({"a": a, "b": b}).evaluation.masks) == {"x", "y"}


def test_no_run():
    with pytest.raises(UsageError, match="no run was given"):
        merge({})

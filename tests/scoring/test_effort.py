"""Scores at budgets of effort, by hand."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from builders import record_of

from plantkit.scoring.effort import BUDGETS, mean_effort, scores_at_budgets, within
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import Record, TrackScore
from plantkit.scoring.starts import rank_by_start

PROTOCOL = Protocol(densities=(0.5,), seeds=2)


def run_of(challenge, pruner: str, seed: int, value: float, effort: float | None, **more) -> Record:
    track = record_of(challenge).strong
    track = replace(track, **dict.fromkeys(_recovered(track), value))
    changes = {"pruner": pruner, "seed": seed, "strong": track, "weak": track, "effort": effort}
    return record_of(challenge, **(changes | more))


def _recovered(track: TrackScore) -> list[str]:
    return [name for name in track.__dataclass_fields__ if name.startswith("recovered")]


@pytest.fixture
def records(circle) -> list[Record]:
    """`quick` is worse than `slow`, whose second seed takes more than 10 s."""
    return [
        *(run_of(circle, "quick", seed, 0.1, 1.0) for seed in (0, 1)),
        run_of(circle, "slow", 0, 0.9, 9.0),
        run_of(circle, "slow", 1, 0.9, 11.0),
    ]


def test_what_took_more_than_the_budget_counts_as_failed(circle, records):
    at = scores_at_budgets([circle], records, PROTOCOL, budgets=(2, 10, 60))
    order = {budget: [one.pruner for one in standings] for budget, standings in at.items()}
    assert order == {2: ["quick", "slow"], 10: ["slow", "quick"], 60: ["slow", "quick"]}
    failures = {b: {one.pruner: one.failures for one in s} for b, s in at.items()}
    assert failures == {
        2: {"quick": 0, "slow": 2},
        10: {"quick": 0, "slow": 1},
        60: {"quick": 0, "slow": 0},
    }
    scores = {budget: {one.pruner: one.score for one in s} for budget, s in at.items()}
    assert scores[2]["slow"] == 0
    assert scores[10]["slow"] == pytest.approx(scores[60]["slow"] / 2)
    assert len({scores[budget]["quick"] for budget in at}) == 1


def test_a_large_budget_changes_nothing(circle, records):
    [standings] = scores_at_budgets([circle], records, PROTOCOL, budgets=(11.0,)).values()
    assert standings == rank_by_start([circle], records, PROTOCOL)


def test_scores_never_fall_with_the_budget(circle):
    generator = random.Random(0)
    records = [
        run_of(circle, name, seed, generator.random(), 400 * generator.random() ** 4)
        for name in "abcdef"
        for seed in (0, 1)
    ]
    at = scores_at_budgets([circle], records, PROTOCOL)
    assert tuple(at) == BUDGETS
    for name in "abcdef":
        scores = [{one.pruner: one.score for one in at[budget]}[name] for budget in BUDGETS]
        assert scores == sorted(scores)
    assert len({tuple(one.score for one in standings) for standings in at.values()}) > 1


def test_a_failed_record_has_nothing_left_to_count(circle, records):
    [failed] = within([circle], [run_of(circle, "slow", 1, 0.9, 11.0)], 10)
    assert failed.status == "timeout"
    assert failed.error == "took 11 s of effort, more than the 10 s allowed"
    tracks = [failed.strong, failed.weak]
    assert {getattr(track, name) for track in tracks for name in _recovered(track)} == {0.0}
    assert set(failed.overlap.values()) == {0.0}
    assert (failed.effort, failed.cpu_seconds, failed.seconds) == (11.0, 2.5, 3.0)
    [rewound] = within([circle], [run_of(circle, "slow", 1, 0.9, 11.0, rewind_step=5)], 10)
    assert rewound.rewind_step == 5


def test_a_run_that_failed_stays_as_it_is(circle):
    crashed = run_of(circle, "bad", 0, 0.0, 500.0, status="crash", error="ValueError")
    assert within([circle], [crashed], 2) == [crashed]


def test_who_was_not_measured_takes_no_part(circle, records):
    unknown = run_of(circle, "old", 0, 0.99, None)
    at = scores_at_budgets([circle], [*records, unknown], PROTOCOL)
    assert at == scores_at_budgets([circle], records, PROTOCOL)


def test_a_run_that_failed_before_it_began_needs_no_effort(circle):
    records = [
        run_of(circle, "half", 0, 0.8, 1.0),
        run_of(circle, "half", 1, 0.0, None, status="invalid", error="rewind is 9"),
    ]
    [standings] = scores_at_budgets([circle], records, PROTOCOL, budgets=(2,)).values()
    assert [one.failures for one in standings] == [1]
    assert mean_effort(records) == 1.0


def test_mean_effort(circle, records):
    assert mean_effort(records) == 5.5
    assert mean_effort([*records, run_of(circle, "old", 0, 0.9, None)]) is None
    assert mean_effort([]) is None

"""Standings: order, shared ranks, intervals, and that order of records does not matter."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from builders import OVERLAP

from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import Coverage, coverage, rank
from plantkit.scoring.records import SCORED_OVERLAP, Record, TrackScore

PROTOCOL = Protocol(densities=(0.5,), seeds=3)


def record(challenge, pruner, seed, strong, weak, *, status="ok") -> Record:
    return Record(
        pruner=pruner,
        challenge=challenge.id,
        bundle_sha256=challenge.digest,
        target_density=0.5,
        density_multiple=2.0,
        is_planted_density=False,
        seed=seed,
        status=status,
        strong=TrackScore(performance=0.0, recovered_accuracy=strong, recovered_digits=strong),
        weak=TrackScore(performance=0.0, recovered_accuracy=weak, recovered_digits=weak),
        density=0.5,
        sparsity=0.5,
        effective_density=0.1,
        collapsed_layers=0,
        overlap=OVERLAP,
        seconds=2.0,
        peak_rss_mib=None,
        error="",
    )


def records_of(challenge, values: dict[str, list[float]]) -> list[Record]:
    return [
        record(challenge, pruner, seed, value, value)
        for pruner, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]


def test_best_first_with_clear_gaps(circle):
    values = {"low": [0.1, 0.11, 0.12], "high": [0.8, 0.81, 0.82], "middle": [0.4, 0.41, 0.42]}
    standings = rank([circle], records_of(circle, values), PROTOCOL)
    assert [(s.rank, s.pruner) for s in standings] == [(1, "high"), (2, "middle"), (3, "low")]
    assert all(s.low <= s.score <= s.high for s in standings)


def test_interval_by_hand(circle):
    """Scores x - 1, x, x + 1: variance 1, standard error 1/sqrt(3), t(2) at 97.5% is 4.3027."""
    [middle] = rank([circle], records_of(circle, {"a": [0.5]}), PROTOCOL)
    [high] = rank([circle], records_of(circle, {"a": [0.51]}), PROTOCOL)
    step = 0.01 / (high.score - middle.score)  # recovered accuracy that moves the score by 1
    values = {"a": [0.5 - step, 0.5, 0.5 + step]}
    [standing] = rank([circle], records_of(circle, values), PROTOCOL)
    assert standing.score == pytest.approx(middle.score)
    assert standing.high - standing.score == pytest.approx(4.302653 / 3**0.5, rel=1e-4)
    assert standing.score - standing.low == pytest.approx(4.302653 / 3**0.5, rel=1e-4)


def test_equal_pruners_are_rarely_called_different(circle, relu):
    """Two pruners that draw from one distribution: at most 5% may be told apart, and some."""
    generator = random.Random(1)
    different = 0
    for _ in range(400):
        values = [
            {name: [generator.gauss(0.5, 0.05) for _ in range(3)] for name in "ab"}
            for _ in range(2)
        ]
        records = records_of(circle, values[0]) + records_of(relu, values[1])
        different += rank([circle, relu], records, PROTOCOL)[1].rank == 2
    assert 0 < different / 400 < 0.08


def test_pruners_that_cannot_be_told_apart_share_the_rank(circle):
    values = {"a": [0.5, 0.6, 0.4], "b": [0.4, 0.5, 0.6], "c": [0.1, 0.1, 0.1]}
    standings = rank([circle], records_of(circle, values), PROTOCOL)
    assert [(s.rank, s.pruner) for s in standings] == [(1, "a"), (1, "b"), (3, "c")]


def test_seeds_are_compared_in_pairs(circle):
    """Seeds differ much more than pruners do, and yet a is better on every one of them."""
    values = {"a": [0.2, 0.5, 0.8], "b": [0.15, 0.45, 0.75]}
    standings = rank([circle], records_of(circle, values), PROTOCOL)
    assert [(s.rank, s.pruner) for s in standings] == [(1, "a"), (2, "b")]
    assert standings[0].low < standings[1].high


def test_equal_scores_are_ordered_by_name(circle):
    values = {"b": [0.5] * 3, "a": [0.5] * 3}
    standings = rank([circle], records_of(circle, values), PROTOCOL)
    assert [(s.rank, s.pruner) for s in standings] == [(1, "a"), (1, "b")]


def test_the_order_of_records_changes_nothing(circle, relu):
    values = {"a": [0.5, 0.2, 0.9], "b": [0.3, 0.6, 0.1], "c": [0.5, 0.2, 0.8]}
    records = records_of(circle, values) + records_of(relu, values)
    expected = rank([circle, relu], records, PROTOCOL)
    for seed in range(3):
        random.Random(seed).shuffle(records)
        assert rank([circle, relu], records, PROTOCOL) == expected


def test_challenges_count_alike_whatever_their_number_of_seeds(circle, relu):
    records = records_of(circle, {"a": [1.0]}) + records_of(relu, {"a": [0.0, 0.0, 0.0]})
    [standing] = rank([circle, relu], records, PROTOCOL)
    alone = [
        rank([challenge], [r for r in records if r.challenge == challenge.id], PROTOCOL)[0].score
        for challenge in (circle, relu)
    ]
    assert standing.score == pytest.approx(sum(alone) / 2)


def test_one_seed_has_no_interval_and_ranks_by_score(circle):
    standings = rank([circle], records_of(circle, {"a": [0.5], "b": [0.6]}), PROTOCOL)
    assert [(s.rank, s.pruner, s.low, s.high) for s in standings] == [
        (1, "b", None, None),
        (2, "a", None, None),
    ]


def test_two_seeds_have_an_interval_by_hand(circle):
    """t(1) at 97.5% is 12.706; the standard error of two scores is half of their distance."""
    scores = [
        rank([circle], records_of(circle, {"a": [value]}), PROTOCOL)[0].score
        for value in (0.500, 0.501)
    ]
    [standing] = rank([circle], records_of(circle, {"a": [0.500, 0.501]}), PROTOCOL)
    assert standing.high - standing.score == pytest.approx(
        12.7062 * (scores[1] - scores[0]) / 2, rel=1e-4
    )


def test_seeds_that_agree_have_an_interval_without_width(circle):
    [standing] = rank([circle], records_of(circle, {"a": [0.5] * 3}), PROTOCOL)
    assert standing.low == standing.score == standing.high


def test_intervals_end_where_scores_do(circle):
    wide = rank([circle], records_of(circle, {"a": [0.0, 1.0]}), PROTOCOL)[0]
    assert (wide.low, wide.high) == (0.0, 100.0)


def test_overlap_is_a_mean_where_it_is_scored_and_f1_where_the_planted_density_was_run(
    circle, relu
):
    records = [
        replace(
            one,
            target_density=challenge.planted_density,
            is_planted_density=True,
            overlap={**one.overlap, "f1": value, SCORED_OVERLAP: value + 0.3},
        )
        for challenge in (circle, relu)
        for one, value in zip(records_of(challenge, {"a": [0.5] * 3}), (0.1, 0.2, 0.6), strict=True)
    ]
    assert (circle.overlap_scored, relu.overlap_scored) == (True, False)
    [standing] = rank([circle, relu], records, PROTOCOL)
    assert (standing.f1, standing.overlap_area) == (pytest.approx(0.3), pytest.approx(0.6))
    assert rank([relu], records[3:], PROTOCOL)[0].overlap_area is None
    elsewhere = [replace(one, is_planted_density=False) for one in records]
    assert rank([circle], elsewhere[:3], PROTOCOL)[0].f1 is None


def instances(challenge, count):
    """Returns challenges of one kind."""
    return [
        replace(challenge, id=f"{challenge.id}-{number}", digest=f"{number}" * 64)
        for number in range(count)
    ]


def test_interval_over_instances_by_hand(circle):
    """Instances whose seeds mean x - 1, x, x + 1: as three seeds do, whatever the seeds spread."""
    kind = instances(circle, 3)
    [low] = rank(kind[:1], records_of(kind[0], {"a": [0.5]}), PROTOCOL)
    [high] = rank(kind[:1], records_of(kind[0], {"a": [0.51]}), PROTOCOL)
    step = 0.01 / (high.score - low.score)
    records = [
        one
        for challenge, mean in zip(kind, (0.5 - step, 0.5, 0.5 + step), strict=True)
        for one in records_of(challenge, {"a": [mean - 0.2, mean, mean + 0.2]})
    ]
    [standing] = rank(kind, records, PROTOCOL)
    assert standing.score == pytest.approx(low.score)
    assert standing.high - standing.score == pytest.approx(4.302653 / 3**0.5, rel=1e-4)


def test_a_seed_each_is_enough_for_an_interval_over_instances(circle):
    kind = instances(circle, 2)
    values = [{"a": [0.5], "b": [0.4]}, {"a": [0.6], "b": [0.5]}]
    records = [
        one
        for challenge, found in zip(kind, values, strict=True)
        for one in records_of(challenge, found)
    ]
    standings = rank(kind, records, replace(PROTOCOL, seeds=1))
    # They differ alike on both instances: the pairs tell them apart, their own intervals don't.
    assert [(s.rank, s.pruner) for s in standings] == [(1, "a"), (2, "b")]
    assert standings[0].low < standings[1].high


def test_instances_of_another_shape_are_of_another_kind(circle, relu):
    one_seed = replace(PROTOCOL, seeds=1)
    pair = instances(circle, 2)
    assert coverage(pair, one_seed) is Coverage.INSTANCES
    assert coverage([circle, relu], one_seed) is Coverage.NOTHING
    assert coverage([circle, relu], PROTOCOL) is Coverage.SEEDS
    assert coverage([*pair, relu], PROTOCOL) is Coverage.SOME
    assert coverage([*pair, relu], one_seed) is Coverage.NOTHING


def test_families_count_alike_whatever_their_number_of_instances(circle, relu):
    kind = instances(circle, 3)
    records = [one for each in kind for one in records_of(each, {"a": [1.0] * 3})]
    records += records_of(relu, {"a": [0.0] * 3})
    [both] = rank([*kind, relu], records, PROTOCOL)
    [circles] = rank(kind, records[:-3], PROTOCOL)
    [other] = rank([relu], records[-3:], PROTOCOL)
    assert both.score == pytest.approx((circles.score + other.score) / 2)
    weighted = replace(PROTOCOL, family_weights={"relu": 0.25})
    [less] = rank([*kind, relu], records, weighted)
    assert less.score == pytest.approx((circles.score + 0.25 * other.score) / 1.25)


def test_a_failed_entry_is_never_above_a_valid_one_nor_beside_it(circle):
    """Both score nothing, or within chance of each other: the one without failures comes first."""
    crashed = [
        replace(one, status="crash", overlap=dict.fromkeys(OVERLAP, 0.0))
        for one in records_of(circle, {"a": [0.0] * 3})
    ]
    valid = [
        replace(one, overlap=dict.fromkeys(OVERLAP, 0.0))
        for one in records_of(circle, {"b": [0.0] * 3})
    ]
    standings = rank([circle], crashed + valid, PROTOCOL)
    assert [(s.rank, s.pruner) for s in standings] == [(1, "b"), (2, "a")]


def test_permuting_pruners_or_challenges_changes_nothing(circle, relu):
    kind = [*instances(circle, 2), relu]
    values = {"a": [0.5, 0.2, 0.9], "b": [0.3, 0.6, 0.1], "c": [0.5, 0.2, 0.8]}
    records = [one for each in kind for one in records_of(each, values)]
    expected = rank(kind, records, PROTOCOL)
    for seed in range(4):
        random.Random(seed).shuffle(kind)
        random.Random(seed).shuffle(records)
        found = rank(kind, records, PROTOCOL)
        assert [one.pruner for one in found] == [one.pruner for one in expected]
        assert [one.rank for one in found] == [one.rank for one in expected]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected])


def test_failures_are_counted(circle):
    records = records_of(circle, {"a": [0.5] * 3})
    records[0] = replace(records[0], status="crash")
    [standing] = rank([circle], records, PROTOCOL)
    assert standing.failures == 1
    assert standing.seconds == 2.0


def test_no_records_no_standings(circle):
    assert rank([circle], [], PROTOCOL) == []

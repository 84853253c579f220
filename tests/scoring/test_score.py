"""Scores by hand: recovered accuracy, areas, the weighted mean, and what a failure counts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from builders import score_attempts
from hypothesis import given
from hypothesis import strategies as st

from plantkit.errors import ExecutorError
from plantkit.evaluation.cache import Cache
from plantkit.evaluation.measuring import score_all
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.score import (
    SeedScore,
    recovered_accuracy,
    recovery_area,
    seed_score,
    ticket_score,
)

PROTOCOL = Protocol(densities=("planted", 0.5))


def attempt(mask, *, density=0.5, seed=0, status="ok", planted=False, pruner="p"):
    return Attempt(
        pruner=pruner,
        target_density=density,
        is_planted_density=planted,
        seed=seed,
        status=status,
        mask=mask,
        error="" if mask is not None else "broke",
        seconds=1.5,
        peak_rss_mib=10.0,
    )


class TestRecoveredAccuracy:
    @pytest.mark.parametrize(
        ("performance", "expected"),
        [(0.2, 0.0), (0.9, 1.0), (0.55, 0.5), (0.0, 0.0), (1.0, 1.0), (math.nan, 0.0)],
    )
    def test_by_hand(self, performance, expected):
        found = recovered_accuracy(performance, trivial=0.2, ticket=0.9)
        assert found == pytest.approx(expected)

    def test_infinitely_bad(self):
        assert recovered_accuracy(-math.inf, trivial=0.2, ticket=0.9) == 0.0

    def test_ticket_no_better_than_trivial(self):
        with pytest.raises(ValueError, match="not above the trivial"):
            recovered_accuracy(0.5, trivial=0.2, ticket=0.2)


class TestRecoveryArea:
    def test_by_hand(self):
        # Two decades: recovered 0 at 0.01, 1 at 0.1, 1 at 1: a triangle and a square.
        assert recovery_area({0.01: 0.0, 0.1: 1.0, 1.0: 1.0}) == pytest.approx(0.75)

    def test_order_does_not_matter(self):
        assert recovery_area({1.0: 1.0, 0.01: 0.0}) == pytest.approx(0.5)

    def test_nothing_counts_beside_a_failed_run(self):
        assert recovery_area({0.01: 1.0, 0.1: None, 1.0: 1.0}) == 0.0
        assert recovery_area({0.001: 1.0, 0.01: 1.0, 0.1: None, 1.0: 1.0}) == pytest.approx(1 / 3)

    def test_one_density_has_no_area(self):
        with pytest.raises(ValueError, match=r"^an area needs at least two densities$"):
            recovery_area({1.0: 1.0})


@given(
    st.dictionaries(st.floats(1e-6, 1.0), st.floats(0.0, 1.0), min_size=2, max_size=8).filter(
        lambda points: max(points) / min(points) > 1.001
    )
)
def test_an_area_is_between_the_lowest_and_the_highest_point(points):
    area = recovery_area(points)
    assert min(points.values()) - 1e-9 <= area <= max(points.values()) + 1e-9


@given(st.floats(0.0, 1.0), st.floats(1e-4, 0.5))
def test_a_constant_is_its_own_area(value, low):
    points = {low: value, math.sqrt(low): value, 1.0: value}
    assert recovery_area(points) == pytest.approx(value)


class TestSeedScore:
    def test_equal_weights(self):
        score = SeedScore(strong_area=0.2, weak_area=0.4, f1=0.9)
        assert score.total(PROTOCOL) == pytest.approx(50.0)

    def test_weight_of_an_overlap_that_is_not_scored_goes_to_the_others(self):
        score = SeedScore(strong_area=0.2, weak_area=0.4, f1=None)
        assert score.total(PROTOCOL) == pytest.approx(30.0)

    def test_weights(self):
        protocol = replace(PROTOCOL, strong_weight=3.0, weak_weight=1.0, f1_weight=0.0)
        assert SeedScore(strong_area=0.2, weak_area=0.4, f1=1.0).total(protocol) == pytest.approx(
            25
        )

    def test_no_weight_at_all(self):
        protocol = replace(PROTOCOL, strong_weight=0.0, weak_weight=0.0, f1_weight=0.0)
        assert SeedScore(strong_area=1.0, weak_area=1.0, f1=1.0).total(protocol) == 0.0


class TestAttempts:
    def test_the_ticket_itself_recovers_everything_and_overlaps_fully(self, circle):
        ticket = circle.truth.ticket
        density = circle.planted_density
        [record] = score_attempts(circle, [attempt(ticket, density=density, planted=True)])
        assert record.strong.recovered_accuracy == pytest.approx(1.0)
        assert record.strong.performance == pytest.approx(circle.ticket.strong)
        assert record.overlap["f1"] == 1.0
        assert record.overlap["lift"] == pytest.approx(1 / density)
        assert record.density == density
        assert record.effective_density == density
        assert record.mask_sha256 == ticket.digest()

    def test_an_empty_mask_is_the_constant_predictor(self, circle):
        empty = Mask({name: torch.zeros(shape) for name, shape in circle.network.shapes.items()})
        [record] = score_attempts(circle, [attempt(empty)])
        assert record.status == "ok"
        assert record.strong.recovered_accuracy == 0.0
        assert record.weak.recovered_accuracy == 0.0
        assert record.overlap["f1"] == 0.0
        assert record.density == 0.0

    def test_a_failed_run_counts_zero_and_keeps_its_error(self, circle):
        [record] = score_attempts(circle, [attempt(None, status="timeout")])
        assert record.status == "timeout"
        assert record.error == "broke"
        assert record.strong.recovered_accuracy == record.weak.recovered_accuracy == 0.0
        assert record.seconds == 1.5

    def test_equal_masks_and_seeds_train_once(self, circle):
        trained = []

        class Counting(LocalExecutor):
            def map(self, function, items, **options):
                trained.append(sum(len(unit.seeds) for unit in items))
                return super().map(function, items, **options)

        ticket = circle.truth.ticket
        attempts = [attempt(ticket), attempt(ticket, pruner="q"), attempt(ticket, seed=1)]
        records = score_attempts(circle, attempts, executor=Counting())
        assert trained == [2]
        assert records[0].weak == records[1].weak

    def test_metrics_of_plugins_are_computed(self, circle):
        class KeptShare:
            name = "kept_share"

            def compute(self, evidence):
                return evidence.mask.kept / evidence.network.total

        [record] = score_attempts(circle, [attempt(circle.truth.ticket)], metrics=[KeptShare()])
        assert record.metrics == {"kept_share": circle.planted_density}

    def test_average_precision_where_saliencies_are_given(self, circle):
        ticket = circle.truth.ticket
        perfect = Mask(ticket, saliency={name: value.float() for name, value in ticket.items()})
        [record] = score_attempts(circle, [attempt(perfect)])
        assert record.overlap["average_precision"] == 1.0


class Counting:
    """An executor that does the work here, in reverse, and stops after `most` pieces."""

    jobs = 2

    def __init__(self, most: int = 1000) -> None:
        self.calls = 0
        self._most = most

    def map(self, function, items, *, on_result=None, meanwhile=None):
        if meanwhile is not None:
            meanwhile()
        self.calls += 1
        results = []
        for number, item in enumerate(reversed(items)):
            if number == self._most:
                raise ExecutorError("the machine is gone")
            results.append(function(item))
            on_result(results[-1])
        return results[::-1]


class TestSeveralChallenges:
    @staticmethod
    def batches(circle, relu):
        return [
            (
                challenge,
                [
                    attempt(mask, seed=seed)
                    for mask in (challenge.truth.ticket, None, Mask.full(challenge.network))
                    for seed in (1, 0)
                ],
            )
            for challenge in (circle, relu)
        ]

    def test_records_are_those_of_each_alone_and_all_are_trained_side_by_side(self, circle, relu):
        batches = self.batches(circle, relu)
        executor = Counting()
        together = score_all(batches, executor=executor)
        assert together == [score_attempts(*batch) for batch in batches]
        assert executor.calls == 1
        assert len({record.weak.performance for record in together[0]}) > 2

    def test_the_cache_learns_of_a_group_as_it_has_finished(self, circle, relu, tmp_path):
        batches = self.batches(circle, relu)
        cache = Cache(tmp_path)
        with pytest.raises(ExecutorError, match="gone"):
            score_all(batches, executor=Counting(most=1), cache=cache)
        kept = len(list(tmp_path.glob("*/*.json")))
        assert 0 < kept < 8
        done: list[int] = []
        again = score_all(batches, executor=Counting(), cache=cache, on_done=done.append)
        assert sum(done) == 8 - kept
        assert again == [score_attempts(*batch) for batch in batches]


def test_seed_score_by_hand(circle):
    ticket = circle.truth.ticket
    density = circle.planted_density
    records = score_attempts(
        circle,
        [
            attempt(ticket, density=density, planted=True),
            attempt(None, density=0.5, status="crash"),
        ],
    )
    score = seed_score(circle, records)
    # The run at 0.5 failed: nothing counts on either side of it.
    assert (score.strong_area, score.weak_area, score.f1) == (0.0, 0.0, 1.0)
    [alone] = score_attempts(circle, [attempt(ticket, density=density, planted=True)])
    score = seed_score(circle, [alone])
    dense = {
        track: recovered_accuracy(
            getattr(circle.dense, track), trivial=circle.trivial, ticket=circle.ticket.strong
        )
        for track in ("strong", "weak")
    }
    # From 1 at the planted density to the dense network's at 1, trained or not.
    assert score.strong_area == pytest.approx((1 + dense["strong"]) / 2)
    assert score.weak_area == pytest.approx((1 + max(dense.values())) / 2)
    assert score.total(PROTOCOL) == pytest.approx(ticket_score(circle, PROTOCOL, [density]))


def test_a_pruner_that_always_fails_scores_nothing(circle):
    attempts = [attempt(None, density=d, status="crash") for d in (0.1, 0.5)]
    score = seed_score(circle, score_attempts(circle, attempts))
    assert score.total(PROTOCOL) == 0.0


def test_overlap_is_not_scored_on_relu(relu):
    [record] = score_attempts(
        relu, [attempt(relu.truth.ticket, density=relu.planted_density, planted=True)]
    )
    assert record.overlap["f1"] == 1.0
    assert seed_score(relu, [record]).f1 is None


def test_the_dense_network_stands_at_density_one_whatever_the_ticket_does(circle):
    planted = circle.planted_density
    with_one = ticket_score(circle, PROTOCOL, [planted, 0.5, 1.0])
    assert with_one == ticket_score(circle, PROTOCOL, [planted, 0.5])


def test_f1_counts_only_where_the_planted_density_is_run(circle):
    """The ticket's areas from 0.5 on are those of any mask that recovers everything there."""
    density = min(0.9, circle.planted_density * 1.5)
    without = ticket_score(circle, replace(PROTOCOL, f1_weight=0.0), [density])
    assert ticket_score(circle, PROTOCOL, [density]) == pytest.approx(without)


def test_a_challenge_run_at_density_one_alone_has_that_run_for_areas(circle):
    records = score_attempts(circle, [attempt(Mask.full(circle.network), density=1.0)])
    score = seed_score(circle, records)
    [record] = records
    assert score.strong_area == record.strong.recovered_accuracy
    assert score.weak_area == record.weak.recovered_accuracy > 0
    failed = seed_score(circle, score_attempts(circle, [attempt(None, density=1.0)]))
    assert (failed.strong_area, failed.weak_area) == (0.0, 0.0)


def test_where_nothing_was_run_the_dense_network_alone_counts(circle):
    """Its mask is the only one at density 1, so that its recovered accuracy is the area."""
    between = (circle.ticket.strong + circle.trivial) / 2
    known = replace(circle, dense=replace(circle.dense, strong=between, weak=between))
    score = seed_score(known, [])
    assert score.strong_area == score.weak_area == pytest.approx(0.5)
    assert score.f1 is None

"""Scores by hand: recovered accuracy, areas, the weighted mean, and what a failure counts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from builders import OVERLAP, record_of, score_attempts
from hypothesis import given
from hypothesis import strategies as st

from plantkit.errors import ExecutorError
from plantkit.evaluation.cache import Cache
from plantkit.evaluation.measuring import score_all
from plantkit.networks.masks import Mask
from plantkit.networks.training.executors import LocalExecutor
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import SCORED_OVERLAP, TrackScore
from plantkit.scoring.score import (
    SeedScore,
    area_over_density,
    dense_score,
    recovered_accuracy,
    recovered_digits,
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


def share(digits):
    return TrackScore(performance=0.0, recovered_accuracy=0.0, recovered_digits=digits)


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


class TestRecoveredDigits:
    @pytest.mark.parametrize(
        ("accuracy", "expected"),
        # The constant errs in 1 of 10, the ticket in 1 of 1000: two digits between them.
        [(0.9, 0.0), (0.99, 0.5), (0.999, 1.0), (0.8, 0.0), (1.0, 1.0), (math.nan, 0.0)],
    )
    def test_by_hand(self, accuracy, expected):
        found = recovered_digits(accuracy, trivial=0.9, ticket=0.999)
        assert found == pytest.approx(expected)

    def test_infinitely_bad(self):
        assert recovered_digits(-math.inf, trivial=0.2, ticket=0.9) == 0.0

    def test_a_ticket_without_error_counts_as_one_at_the_resolution(self):
        """Otherwise no mask could ever recover anything of its infinitely many digits."""
        found = [
            recovered_digits(accuracy, trivial=0.0, ticket=1.0, resolution=1e-4)
            for accuracy in (0.9, 0.99, 0.999, 0.9999, 0.99999)
        ]
        assert found == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])

    def test_ticket_no_better_than_trivial(self):
        with pytest.raises(ValueError, match="not above the trivial"):
            recovered_digits(0.5, trivial=0.2, ticket=0.2)

    @given(
        st.floats(-1.0, 0.9),
        st.floats(0.01, 0.99),
        st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=2),
    )
    def test_they_grow_with_accuracy_and_stay_shares(self, trivial, gain, accuracies):
        ticket = trivial + gain * (1 - trivial)
        low, high = sorted(accuracies)
        found = [recovered_digits(one, trivial=trivial, ticket=ticket) for one in (low, high)]
        assert 0.0 <= found[0] <= found[1] <= 1.0

    @given(st.floats(0.0, 0.9), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
    def test_never_more_than_recovered_accuracy(self, trivial, gain, share):
        """The logarithm is concave in the error: the last digits are the dearest."""
        ticket = trivial + gain * (1 - trivial)
        accuracy = trivial + share * (ticket - trivial)
        digits = recovered_digits(accuracy, trivial=trivial, ticket=ticket)
        assert digits <= recovered_accuracy(accuracy, trivial=trivial, ticket=ticket) + 1e-9


class TestAreaOverDensity:
    def test_by_hand(self):
        # Two decades: 0 at 0.01, 1 at 0.1, 1 at 1: a triangle and a square.
        assert area_over_density({0.01: 0.0, 0.1: 1.0, 1.0: 1.0}) == pytest.approx(0.75)

    def test_order_does_not_matter(self):
        assert area_over_density({1.0: 1.0, 0.01: 0.0}) == pytest.approx(0.5)

    def test_nothing_counts_beside_a_failed_run(self):
        assert area_over_density({0.01: 1.0, 0.1: None, 1.0: 1.0}) == 0.0
        assert area_over_density({0.001: 1.0, 0.01: 1.0, 0.1: None, 1.0: 1.0}) == pytest.approx(
            1 / 3
        )

    def test_one_density_is_its_own_mean(self):
        assert area_over_density({0.1: 0.3}) == 0.3
        assert area_over_density({0.1: None}) == area_over_density({}) == 0.0


@given(
    st.dictionaries(st.floats(1e-6, 1.0), st.floats(0.0, 1.0), min_size=1, max_size=8).filter(
        lambda points: len(points) == 1 or max(points) / min(points) > 1.001
    )
)
def test_an_area_is_between_the_lowest_and_the_highest_point(points):
    area = area_over_density(points)
    assert min(points.values()) - 1e-9 <= area <= max(points.values()) + 1e-9


@given(st.floats(0.0, 1.0), st.floats(1e-4, 0.5))
def test_a_constant_is_its_own_area(value, low):
    points = {low: value, math.sqrt(low): value, 1.0: value}
    assert area_over_density(points) == pytest.approx(value)


@given(
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    st.integers(0, 2),
    st.floats(0.0, 1.0),
)
def test_an_area_grows_with_each_of_its_points(values, place, gain):
    better = list(values)
    better[place] += gain * (1 - better[place])
    areas = [
        area_over_density(dict(zip((0.01, 0.03, 0.1), found, strict=True)))
        for found in (values, better)
    ]
    assert areas[1] >= areas[0] - 1e-12


class TestSeedScore:
    def test_equal_weights(self):
        score = SeedScore(strong_area=0.2, weak_area=0.4, overlap_area=0.9)
        assert score.total(PROTOCOL) == pytest.approx(50.0)

    def test_weight_of_an_overlap_that_is_not_scored_goes_to_the_others(self):
        score = SeedScore(strong_area=0.2, weak_area=0.4, overlap_area=None)
        assert score.total(PROTOCOL) == pytest.approx(30.0)

    def test_weights(self):
        protocol = replace(PROTOCOL, strong_weight=3.0, weak_weight=1.0, overlap_weight=0.0)
        score = SeedScore(strong_area=0.2, weak_area=0.4, overlap_area=1.0)
        assert score.total(protocol) == pytest.approx(25)

    def test_no_weight_at_all(self):
        protocol = replace(PROTOCOL, strong_weight=0.0, weak_weight=0.0, overlap_weight=0.0)
        score = SeedScore(strong_area=1.0, weak_area=1.0, overlap_area=1.0)
        assert score.total(protocol) == 0.0


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
                trained.append(sum(len(part.seeds) for unit in items for part in unit.parts))
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
        seen: list[tuple[int, int]] = []
        again = score_all(
            batches, executor=Counting(), cache=cache, progress=lambda *step: seen.append(step)
        )
        assert seen[0] == (0, 12)
        assert seen[-2:] == [(8 - kept, 12), (12, 12)]
        assert again == [score_attempts(*batch) for batch in batches]


def test_seed_score_by_hand(circle):
    planted = circle.planted_density
    found = [
        record_of(
            circle,
            target_density=multiple * planted,
            strong=share(strong),
            weak=share(weak),
            overlap=OVERLAP | {SCORED_OVERLAP: overlap},
        )
        for multiple, strong, weak, overlap in [
            (1, 0.0, 0.4, 0.2),
            (2, 0.6, 0.2, 0.4),  # untrained it is better: the weak area takes 0.6
            (4, 1.0, 1.0, 1.0),
        ]
    ]
    score = seed_score(circle, found)
    # 1x, 2x and 4x are equally far apart in log density: two trapezoids of equal width.
    assert score.strong_area == pytest.approx((0.3 + 0.8) / 2)
    assert score.weak_area == pytest.approx((0.5 + 0.8) / 2)
    assert score.overlap_area == pytest.approx((0.3 + 0.7) / 2)


def test_densities_below_the_planted_one_are_not_scored(circle):
    planted = circle.planted_density
    [low, at] = [
        record_of(circle, target_density=density, strong=share(value), weak=share(value))
        for density, value in ((planted / 2, 1.0), (planted, 0.25))
    ]
    assert seed_score(circle, [low, at]).strong_area == 0.25
    assert seed_score(circle, [low]).total(PROTOCOL) == 0.0


def test_a_failed_run_takes_its_neighbourhood_with_it(circle):
    planted = circle.planted_density
    found = [
        record_of(
            circle,
            target_density=multiple * planted,
            status=status,
            strong=share(1.0),
            weak=share(1.0),
        )
        for multiple, status in ((1, "ok"), (2, "ok"), (4, "crash"))
    ]
    assert seed_score(circle, found).strong_area == pytest.approx(0.5)


def test_a_pruner_that_always_fails_scores_nothing(circle):
    attempts = [attempt(None, density=d, status="crash") for d in (0.1, 0.5)]
    score = seed_score(circle, score_attempts(circle, attempts))
    assert score.total(PROTOCOL) == 0.0


@pytest.mark.parametrize("name", ["circle", "relu"])
def test_the_ticket_scores_100_at_every_density(name, request):
    challenge = request.getfixturevalue(name)
    densities = [challenge.density_of(one) for one in ("1x", "2x", "3x")]
    attempts = [
        attempt(challenge.truth.ticket, density=one, planted=one == densities[0])
        for one in densities
    ]
    score = seed_score(challenge, score_attempts(challenge, attempts))
    assert score.total(PROTOCOL) == pytest.approx(100)
    assert ticket_score(challenge).total(PROTOCOL) == pytest.approx(100)


def test_the_dense_network_shows_what_training_alone_recovers(circle):
    full = Mask.full(circle.network)
    [record] = score_attempts(circle, [attempt(full, density=1.0)])
    score = dense_score(circle)
    assert score.strong_area == pytest.approx(record.strong.recovered_digits)
    assert score.weak_area == pytest.approx(record.weak.recovered_digits, abs=0.1)
    assert score.overlap_area == 0.0 == record.overlap[SCORED_OVERLAP]


def test_overlap_is_not_scored_on_relu(relu):
    [record] = score_attempts(
        relu, [attempt(relu.truth.ticket, density=relu.planted_density, planted=True)]
    )
    assert record.overlap["f1"] == 1.0
    assert seed_score(relu, [record]).overlap_area is None

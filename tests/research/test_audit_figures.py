"""Separation figures against definitions, scikit-learn and plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from plantkit.research.audit.figures import (
    NOTHING,
    Estimate,
    Separation,
    chance_average_precision,
    feature_aucs,
    mean_auc,
    separate,
    summarize,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tied_scores(rng):
    while True:
        count = int(rng.integers(2, 40))
        labels = rng.random(count) < 0.3
        if labels.any() and not labels.all():
            return rng.integers(0, 8, count), labels


class TestSeparate:
    def test_agrees_with_scikit_learn_on_ties(self, rng):
        for _ in range(100):
            scores, labels = tied_scores(rng)
            found = separate(scores, labels)
            assert found.auc == pytest.approx(roc_auc_score(labels, scores))
            assert found.average_precision == pytest.approx(average_precision_score(labels, scores))

    def test_hits_are_the_mean_over_orders_of_the_ties(self):
        labels = np.array([True, False, True, False, False])
        found = separate(np.array([3, 2, 2, 2, 1]), labels)
        assert found.hits == pytest.approx(1 + 1 / 3)  # one of three tied entries fills rank 2
        assert found.chance_hits == pytest.approx(4 / 5)

    def test_all_equal_scores_are_chance(self):
        labels = np.array([True, False, False, False])
        found = separate(np.zeros(4), labels)
        assert (found.auc, found.hits, found.average_precision) == (0.5, 0.25, 0.25)

    def test_perfect(self):
        found = separate(np.array([1.0, 5.0, 4.0]), np.array([False, True, True]))
        assert (found.auc, found.hits, found.average_precision) == (1.0, 2.0, 1.0)

    @pytest.mark.parametrize("label", [True, False])
    def test_nothing_to_separate(self, label):
        labels = np.full(3, label)
        assert separate(np.arange(3.0), labels) == NOTHING
        assert feature_aucs(np.zeros((3, 2), dtype=np.uint8), labels).tolist() == [0.5, 0.5]

    def test_feature_aucs_are_the_same_without_sorting(self, rng):
        for _ in range(30):
            scores, labels = tied_scores(rng)
            codes = np.column_stack([scores, 255 - scores, scores // 3]).astype(np.uint8)
            assert feature_aucs(codes, labels).tolist() == [
                separate(column.astype(float), labels).auc for column in codes.T
            ]


@pytest.mark.parametrize(("positives", "entries"), [(1, 7), (4, 9), (9, 9), (1, 1)])
def test_chance_average_precision_is_the_mean_over_random_orders(rng, positives, entries):
    labels = np.arange(entries) < positives
    draws = [
        average_precision_score(labels, -rng.permutation(entries)) if positives < entries else 1.0
        for _ in range(1000)
    ]
    expected = chance_average_precision(positives, entries)
    assert np.mean(draws) == pytest.approx(expected, abs=0.04)


class TestSummarize:
    def one(self, auc, positives=2, hits=1.0):
        return Separation(
            positives=positives,
            auc=auc,
            average_precision=0.5,
            chance_average_precision=0.3,
            hits=hits,
            chance_hits=positives**2 / 10,
        )

    def test_weights_are_positives(self, rng):
        found = {"a": [self.one(1.0, positives=3)], "b": [self.one(0.5, positives=1)]}
        figures = summarize(found, ["a", "b"], rng)
        assert figures.auc.value == pytest.approx(0.875)
        assert (figures.positives, figures.networks) == (4, 1)
        assert figures.lift.value == pytest.approx(2.0 / (9 / 10 + 1 / 10))
        assert summarize(found, ["b"], rng).auc.value == pytest.approx(0.5)

    def test_one_network_has_no_interval(self, rng):
        figures = summarize({"a": [self.one(0.7)]}, ["a"], rng)
        assert (figures.auc.low, figures.auc.high) == (None, None)

    def test_networks_without_anything_to_separate_do_not_count(self, rng):
        figures = summarize({"a": [NOTHING, self.one(0.6), self.one(0.8)]}, ["a"], rng)
        assert figures.networks == 2
        assert figures.auc.value == pytest.approx(0.7)
        assert figures.auc.low == pytest.approx(0.6)
        assert figures.auc.high == pytest.approx(0.8)
        assert summarize({"a": [NOTHING, NOTHING]}, ["a"], rng) is None

    def test_the_interval_covers_the_mean_about_as_often_as_it_says(self, rng):
        covered = 0
        for _ in range(100):
            found = {"a": [self.one(float(value)) for value in rng.normal(0.5, 0.05, 25)]}
            auc = summarize(found, ["a"], rng).auc
            covered += auc.low <= 0.5 <= auc.high
        assert 85 <= covered <= 100


def test_mean_auc_is_weighted_and_of_nothing_is_chance():
    assert mean_auc([0.8, 0.5], [3, 1]) == pytest.approx(0.725)
    assert mean_auc(np.array([[0.8, 0.2], [0.5, 0.5]]), [3, 1]) == pytest.approx([0.725, 0.275])
    assert mean_auc([0.9], [0]) == 0.5
    assert mean_auc(np.ones((2, 3)), [0, 0]).tolist() == [0.5] * 3


def test_an_estimate_is_shown_with_its_interval():
    assert f"{Estimate(value=0.5):.2f}" == "0.50"
    assert f"{Estimate(value=0.5, low=0.0, high=0.75):.2f}" == "0.50 [0.00, 0.75]"

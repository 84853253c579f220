"""Matching: the least-squares choice of units and scales, and the outputs' scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkit.planting.matching import (
    LayerRequest,
    match_least_squares,
    scale_by_norm,
)
from plantkit.planting.targets import Floats


def request(wanted: list[list[float]], candidates: list[list[float]] | Floats) -> LayerRequest:
    values = np.array(wanted, dtype=float)
    return LayerRequest(layer=1, wanted=values, candidates=np.array(candidates, dtype=float))


def test_the_nearest_candidate_wins_with_its_least_squares_scale() -> None:
    units, scales = match_least_squares(
        request([[1, 2, 0]], [[1, 0.1, 9], [0.5, 1.1, -9], [3, 1, 0]]), np.random.default_rng(0)
    )
    assert units.tolist() == [1]  # the column without an entry does not count
    assert scales[0] == pytest.approx((0.5 + 2.2) / 5)


def test_agreeing_signs_go_before_smaller_distances() -> None:
    units, _ = match_least_squares(
        request([[1, 0.1]], [[1, -0.01], [5, 3]]), np.random.default_rng(0)
    )
    assert units.tolist() == [1]


def test_without_agreeing_signs_the_nearest_positive_scale_wins() -> None:
    units, _ = match_least_squares(
        request([[1, 1]], [[-1, -1], [3, -1], [1, -0.1]]), np.random.default_rng(0)
    )
    assert units.tolist() == [2]


def test_without_any_positive_scale_a_random_unused_unit_keeps_its_norm() -> None:
    chosen = set()
    for seed in range(40):
        units, scales = match_least_squares(
            request([[2, 0]], [[-1, 0], [-3, 1], [-5, 2]]), np.random.default_rng(seed)
        )
        unit = int(units[0])
        assert scales[0] == pytest.approx([0.5, 1.5, 2.5][unit])
        chosen.add(unit)
    assert chosen == {0, 1, 2}


def test_ties_are_drawn_evenly() -> None:
    candidates = np.abs(np.random.default_rng(1).standard_normal((6, 2))) + 0.1
    counts = np.zeros(6)
    for seed in range(600):
        units, _ = match_least_squares(request([[3.7, 0]], candidates), np.random.default_rng(seed))
        counts[units[0]] += 1
    assert ((counts - 100) ** 2 / 100).sum() < 20.5  # chi-square, 5 degrees of freedom, p = .001


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    targets=st.integers(1, 8),
    spare=st.integers(0, 8),
    sources=st.integers(0, 6),
)
def test_every_unit_is_used_once_and_every_scale_is_positive(
    seed: int, targets: int, spare: int, sources: int
) -> None:
    rng = np.random.default_rng(seed)
    wanted = rng.standard_normal((targets, sources + 1)) * (
        rng.random((targets, sources + 1)) < 0.6
    )
    wanted[:, -1] += (wanted == 0).all(axis=1)
    layer = LayerRequest(
        layer=0,
        wanted=wanted,
        candidates=rng.standard_normal((targets + spare, sources + 1)),
    )
    units, scales = match_least_squares(layer, rng)
    assert len(set(units.tolist())) == targets
    assert set(units.tolist()) <= set(range(targets + spare))
    assert (scales > 0).all()


def test_output_scales_keep_the_norm_of_each_output_or_of_all() -> None:
    layer = request([[3, 4, 0], [0, 0, 2]], [[6, 8, 100], [100, 100, -1]])
    assert scale_by_norm(layer, common=False).tolist() == [2, 0.5]
    expected = np.sqrt(101 / 29)
    assert scale_by_norm(layer, common=True) == pytest.approx([expected, expected])

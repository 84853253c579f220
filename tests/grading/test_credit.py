"""Points for values, by hand."""

from __future__ import annotations

import math

import pytest

from plantkit.grading.credit import Credit


def test_all_or_nothing() -> None:
    credit = Credit(points=10, target=0.5)
    assert [credit.earned(value) for value in (0.49, 0.5, 2.0)] == [0, 10, 10]


def test_linear_between_two_values() -> None:
    credit = Credit(points=10, target=0.9, zero_at=0.5)
    assert [credit.earned(value) for value in (0.4, 0.5, 0.6, 0.7, 0.9, 1.0)] == pytest.approx(
        [0, 0, 2.5, 5, 10, 10]
    )


def test_linear_where_less_is_better() -> None:
    credit = Credit(points=8, target=10, zero_at=50, is_higher_better=False)
    assert [credit.earned(value) for value in (5, 10, 20, 40, 50, 60)] == [8, 8, 6, 2, 0, 0]


def test_steps_take_the_best_that_is_reached() -> None:
    up = Credit(points=6, target=None, steps=((1, 2), (5, 6)))
    assert [up.earned(value) for value in (0.9, 1, 4.9, 5, 9)] == [0, 2, 2, 6, 6]
    down = Credit(points=6, target=None, steps=((50, 2), (10, 6)), is_higher_better=False)
    assert [down.earned(value) for value in (60, 50, 11, 10, 1)] == [0, 2, 2, 6, 6]


@pytest.mark.parametrize("is_higher_better", [True, False])
def test_nothing_earns_nothing(is_higher_better: bool) -> None:
    credit = Credit(points=6, target=0.0, is_higher_better=is_higher_better)
    assert credit.earned(None) == 0
    assert credit.earned(math.nan) == 0


def test_a_margin_is_a_slack_in_the_submissions_favour() -> None:
    up = Credit(points=10, target=0.0, zero_at=-0.5, margin=0.25)
    assert [up.earned(value) for value in (-0.75, -0.5, -0.25, 0.5)] == [0, 5, 10, 10]
    assert up.expected() == "at least -0.25 (points from -0.75)"
    down = Credit(points=10, target=1, is_higher_better=False, margin=0.5)
    assert [down.earned(value) for value in (1.6, 1.5, 0)] == [0, 10, 10]
    assert down.expected() == "at most 1.5"
    steps = Credit(points=6, target=None, steps=((1, 2), (5, 6)), margin=1)
    assert [steps.earned(value) for value in (-0.5, 0, 3, 4)] == [0, 2, 2, 6]
    assert steps.expected() == "at least 0 for 2, 4 for 6"


def test_words() -> None:
    assert Credit(points=1, target=0.9, zero_at=0.5).expected() == "at least 0.9 (points from 0.5)"
    assert Credit(points=1, target=3, is_higher_better=False).expected() == "at most 3"
    assert Credit(points=6, target=None, steps=((1, 2), (5, 6))).expected() == (
        "at least 1 for 2, 5 for 6"
    )

"""Quality: every requirement can be missed."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks.tasks import TaskKind
from plantkit.planting.quality import assess
from plantkit.planting.targets import Floats

LINE: Floats = np.linspace(-1, 1, 2001)[:, None]
PLANE: Floats = np.random.default_rng(0).uniform(-1, 1, (4000, 2))


def values(outputs: Floats) -> tuple[str, ...]:
    return assess(outputs, LINE, TaskKind.REGRESSION).faults


def classes(outputs: Floats) -> tuple[str, ...]:
    return assess(outputs, PLANE, TaskKind.CLASSIFICATION).faults


def test_values() -> None:
    assert values(np.abs(LINE)) == ()
    assert values(LINE) == ("nonlinear",)
    assert values(np.column_stack([np.abs(LINE), LINE])) == ("nonlinear",)
    assert values(np.abs(LINE) + 50) == ("spread",)
    assert values(np.zeros_like(LINE)) == ("spread",)
    assert values(np.maximum(np.abs(LINE) - 0.9, 0)) == ("kurtosis",)


def test_the_nonlinear_share_is_the_least_over_outputs() -> None:
    outputs = np.column_stack([np.abs(LINE), np.abs(LINE) + LINE])
    share = assess(outputs, LINE, TaskKind.REGRESSION).nonlinear
    assert share == pytest.approx((1 / 12) / (1 / 12 + 1 / 3), abs=0.01)


def test_classes() -> None:
    radius = np.square(PLANE).sum(axis=1)
    ring = np.column_stack([radius, 1.2 - radius])
    assert classes(ring) == ()
    assert classes(np.column_stack([PLANE[:, 0], -PLANE[:, 0]])) == ("nonlinear",)
    assert "class share" in classes(np.column_stack([radius, 0.05 - radius]))
    assert classes(np.sign(ring) * np.abs(ring) ** 6) == ("close calls",)

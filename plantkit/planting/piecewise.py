"""Piecewise linear interpolation as one hidden ReLU layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plantkit.planting.targets import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interpolation:
    """sum_k coefficients[k] · relu(signs[k] · (x - knots[k])) + offset.

    `knots`, `signs` (each 1 or -1) and `coefficients` are (knots,).
    """

    knots: Floats
    signs: Floats
    coefficients: Floats
    offset: float

    @property
    def biases(self) -> Floats:
        """The hidden layer's biases (knots,)."""
        return -self.knots * self.signs


def alternating_signs(count: int, *, last: int | None = None) -> Floats:
    """Returns 1, -1, 1, ... (count,), the last one replaced where `last` is given."""
    signs = np.where(np.arange(count) % 2, -1.0, 1.0)
    if last is not None:
        signs[-1] = last
    return signs


def interpolate(
    function: Callable[[Floats], Floats], knots: Floats, signs: Floats
) -> Interpolation:
    """Returns the interpolation of a scalar function at ascending, evenly spaced knots.

    It is exact at the knots, and goes on linearly beyond the last one towards the value one
    step further. Every kink's coefficient is a second difference; a unit that faces left
    (sign -1) contributes the opposite slope everywhere, which the first unit, always facing
    right, makes up for.

    Args:
        function: maps (k,) to (k,).
        knots: (k,), k at least 2.
        signs: (k,), the direction that each unit faces, the first one 1.
    """
    points = np.append(knots, knots[-1] + (knots[1] - knots[0]))
    slopes = np.diff(function(points)) / np.diff(points)  # (k,)
    bends = np.diff(slopes)  # (k - 1,), of every knot but the first
    first = slopes[0] + bends[signs[1:] < 0].sum()
    coefficients = np.concatenate([[first], bends])
    hidden = np.maximum(signs * knots[0] - knots * signs, 0)
    offset = function(knots[:1])[0] - (hidden * coefficients).sum()
    return Interpolation(knots=knots, signs=signs, coefficients=coefficients, offset=float(offset))

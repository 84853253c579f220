"""`helix`: a helix in three dimensions (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plantkit.planting.family import LineFamily
from plantkit.planting.piecewise import alternating_signs, interpolate
from plantkit.planting.targets import Floats, Target

KNOTS = 30


class HelixFamily(LineFamily):
    """With t = 5π + 3πx and x in [-1, 1]: y = (t cos t, t sin t, t) / (8π).

    All outputs are piecewise linear with the same 30 knots. From depth 4 on a first layer
    maps x to x + 1, so that its ReLU is linear on the domain; from depth 5 on identity
    layers follow the interpolation, of y + 1, which is positive.
    """

    name = "helix"
    title = "Helix: (t cos t, t sin t, t) / 8π, t = 5π + 3πx"
    outputs = 3

    def truth(self, inputs: Floats) -> Floats:
        position = inputs[:, 0]
        return np.stack([function(position) for function in _COMPONENTS], axis=1)

    def _build(self, depth: int) -> Target:
        shift = 0 if depth == 3 else 1
        knots = np.linspace(shift - 1, shift + 1, KNOTS)
        signs = alternating_signs(KNOTS)
        pieces = [interpolate(_shifted(function, shift), knots, signs) for function in _COMPONENTS]
        weights = [signs[:, None], np.stack([piece.coefficients for piece in pieces])]
        biases = [pieces[0].biases, np.array([piece.offset for piece in pieces])]
        if depth > 3:
            weights.insert(0, np.ones((1, 1)))
            biases.insert(0, np.ones(1))
        if depth > 4:
            biases[-1] = biases[-1] + 1
            repeats = depth - 4
            weights += [np.eye(self.outputs)] * repeats
            biases += [np.zeros(self.outputs)] * (repeats - 1) + [-np.ones(self.outputs)]
        return Target(weights=tuple(weights), biases=tuple(biases))


def _shifted(function: Callable[[Floats], Floats], shift: float) -> Callable[[Floats], Floats]:
    return lambda position: function(position - shift)


def _angle(position: Floats) -> Floats:
    return 5 * np.pi + 3 * np.pi * position


def _first(position: Floats) -> Floats:
    angle = _angle(position)
    return angle * np.cos(angle) / (8 * np.pi)


def _second(position: Floats) -> Floats:
    angle = _angle(position)
    return angle * np.sin(angle) / (8 * np.pi)


def _third(position: Floats) -> Floats:
    return _angle(position) / (8 * np.pi)


_COMPONENTS = (_first, _second, _third)

"""`circle`: four concentric classes (Plant 'n' Seek, arXiv 2111.11153)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantkit.networks.tasks import TaskKind
from plantkit.planting.family import AnchoredFamily, TargetFamily
from plantkit.planting.parts import PartPlan
from plantkit.planting.targets import Floats, Interpolation, Target, interpolate

# Values of |x|^2 where the class changes.
BOUNDS = (0.2, 0.5, 0.7)

# Slope of each class's logit over |x|^2.
SLOPES = (5.0, 10.0, 20.0, 40.0)

# Knots of h(x) = x^2, a component.
KNOTS = 10

# How far the knots across the last mirror axis reach beyond the outermost bound.
MARGIN = 0.01

# Grid points per axis in the domain.
GRID = 61

# Domain points off the grid: deep targets have sectors so thin that a grid steps over them.
SCATTERED = 8000

PLASTIC_NUMBER = 1.324717957244746  # x^3 = x + 1; its powers spread points evenly in the plane

# How much longer an ellipse of a decoy is than wide.
STRETCH = 1.4


@dataclass(frozen=True, kw_only=True)
class CircleFamily(TargetFamily, AnchoredFamily):
    """The class of x in [-1, 1]^2 by |x|^2 against 0.2, 0.5 and 0.7.

    A class's logit is a line over |x|^2, and the upper envelope of the four lines changes
    class at the bounds. |x|^2 is the sum of h(c) = c^2 over two orthogonal components c,
    each interpolated with 10 knots. Depth 3: on [-1, 1]. Depth 4: on [0, 1] of |x1| and
    |x2|, the sum of two units each. Depth 5: a layer of its own adds these. From depth 6 on
    every layer between mirrors the plane along one axis more, at angle π/2^2, π/2^3, ...,
    which leaves a narrower sector and so fewer knots for the component across the axis.

    Anchored, only which class leads is asked for, and decoys have ellipses of the same areas.

    Attributes:
        axis: angle of the direction in which a decoy's circles are stretched; None for circles.
    """

    name = "circle"
    title = "Circle: four classes by the distance from the center"
    inputs = 2
    outputs = 4
    kind = TaskKind.CLASSIFICATION
    bound = 0.985
    audited_depths = range(4, 9)
    audited_widths = range(50, 101)
    axis: float | None = field(default=None, repr=False, metadata={"is_dial": False})

    def domain(self) -> Floats:
        axis = np.linspace(-1, 1, GRID)
        grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        steps = 0.5 + np.outer(np.arange(SCATTERED), [1 / PLASTIC_NUMBER, PLASTIC_NUMBER**-2])
        return np.concatenate([grid, 2 * (steps % 1) - 1])

    def formula(self, inputs: Floats) -> Floats:
        logits: Floats = np.outer(self._squared_radius(inputs), SLOPES) + _intercepts()
        return logits

    def truth(self, inputs: Floats) -> NDArray[np.int64]:
        return np.searchsorted(BOUNDS, self._squared_radius(inputs), side="right").astype(np.int64)

    def plan(self, hidden: int) -> PartPlan:
        return PartPlan(units=10, in_degree={2: 10, 3: 5}.get(hidden, 4), inputs=2)

    def sibling(self, rng: np.random.Generator) -> CircleFamily:
        return CircleFamily(axis=rng.uniform(0, np.pi))

    def screen(self, inputs: Floats) -> Floats:
        square = self._squared_radius(inputs)
        return np.stack([square, square**2, np.sqrt(square)], axis=1)

    def class_distances(self, inputs: Floats) -> Floats:
        radius, own = np.sqrt(self._squared_radius(inputs)), self.truth(inputs)
        bounds = np.sqrt(BOUNDS)
        inner, outer = bounds[np.maximum(own - 1, 0)], bounds[np.minimum(own, len(bounds) - 1)]
        others = np.arange(self.outputs)
        outwards = np.where(others > own[:, None], (outer - radius)[:, None], 0.0)
        distances: Floats = np.where(others < own[:, None], (radius - inner)[:, None], outwards)
        return distances

    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats:
        bounds = np.sqrt(BOUNDS)
        radius = rng.choice(bounds, count, p=bounds / bounds.sum())
        radius += reach * rng.uniform(-1, 1, count)
        angle = rng.uniform(0, 2 * np.pi, count)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        points = points @ np.linalg.inv(self._squeeze())
        inside: Floats = points[(np.abs(points) <= 1).all(axis=1)]
        return inside

    def _squared_radius(self, inputs: Floats) -> Floats:
        squares: Floats = np.square(inputs @ self._squeeze()).sum(axis=1)
        return squares

    def _squeeze(self) -> Floats:
        """Returns the matrix (2, 2) that makes circles of the classes' bounds, of determinant 1."""
        if self.axis is None:
            return np.eye(2)
        cosine, sine = np.cos(self.axis), np.sin(self.axis)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        squeeze: Floats = turn @ np.diag([STRETCH**-0.5, STRETCH**0.5]) @ turn.T
        return squeeze

    def _build(self, depth: int) -> Target:
        if depth == 3:
            square = _square(-1, 1, KNOTS, last=-1)
            return _finish([], [], np.eye(2), (square, square))
        absolute = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        add = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])
        if depth == 4:
            square = _square(0, 1, KNOTS, last=-1)
            return _finish([absolute], [np.zeros(4)], add, (square, square))
        weights, biases = [absolute, add], [np.zeros(4), np.zeros(2)]
        if depth == 5:
            square = _square(0, 1, KNOTS, last=1)
            return _finish(weights, biases, np.eye(2), (square, square))
        # Columns: what each unit of the layer before adds to the plane's two coordinates.
        plane = np.eye(2)
        for level in range(2, depth - 3):
            angle = math.pi / 2**level
            axis = np.array([math.cos(angle), math.sin(angle)])
            normal = np.array([math.sin(angle), -math.cos(angle)])
            across = normal @ plane
            weights.append(np.stack([axis @ plane, across, -across]))
            biases.append(np.zeros(3))
            plane = np.stack([axis, normal, normal], axis=1)
        along_end = math.sqrt(2)
        across_end = float(abs(axis[1])) * math.sqrt(BOUNDS[-1]) + MARGIN
        along_share = math.ceil(along_end / (across_end + along_end) * 2 * KNOTS)
        along_knots = min(along_share, 2 * KNOTS - 3)
        across_knots = max(2 * KNOTS - along_knots, 3)
        squares = (
            _square(0, along_end, along_knots, last=1),
            _square(0, across_end, across_knots, last=1),
        )
        return _finish(weights, biases, np.array([[1.0, 0, 0], [0, 1, 1]]), squares)


def _intercepts() -> Floats:
    """Returns the logits at the center (4,): neighboring lines cross at the bounds."""
    steps = -np.diff(SLOPES) * BOUNDS
    return np.concatenate([[0.0], np.cumsum(steps)])


def _square(start: float, end: float, knots: int, *, last: int) -> Interpolation:
    return interpolate(np.square, np.linspace(start, end, knots), last=last)


def _finish(
    weights: list[Floats],
    biases: list[Floats],
    components: Floats,
    squares: tuple[Interpolation, Interpolation],
) -> Target:
    """Returns the target whose last two layers square two components and weigh the classes.

    Args:
        weights, biases: the layers before.
        components: (2, units), how the components add up from the units before.
        squares: the interpolation of each component's square.
    """
    hidden = np.concatenate(
        [
            np.outer(square.signs, component)
            for square, component in zip(squares, components, strict=True)
        ]
    )
    sum_of_squares = np.concatenate([square.coefficients for square in squares])
    offset = sum(square.offset for square in squares)
    return Target(
        weights=(*weights, hidden, np.outer(SLOPES, sum_of_squares)),
        biases=(
            *biases,
            np.concatenate([square.biases for square in squares]),
            _intercepts() + offset * np.array(SLOPES),
        ),
    )


FAMILY = CircleFamily()

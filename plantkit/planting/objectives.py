"""What an anchored ticket is fitted to: values of a formula, or the sides of class boundaries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.planting.coordinates import Coordinates
from plantkit.planting.families.circle import CircleFamily
from plantkit.planting.family import LineFamily
from plantkit.planting.targets import Floats

POINTS = 300
"""Points on the line that values are fitted at, drawn anew in every step."""

COARSE_POINTS = 500
FINE_POINTS = 1600
"""Points in the plane, while the tolerance is large and once it is not.

There must be more near the bounds than the ticket has entries, or every step fits its own points.
"""

FIRST_REACH = 0.12
FINE_REACH = 0.03
REACH_SHRINKAGE = 0.97
FARTHEST = 0.15
"""Distance to a class beyond which no larger margin is asked for."""


class Objective(ABC):
    """Residuals of a ticket's outputs at points that it draws, and a measure of the whole."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Batch:
        """Returns fresh points to fit at."""

    @abstractmethod
    def distance(self, outputs: Floats) -> float:
        """Returns how far outputs (n, d_out) at `probes` are from the formula, 0 for not at all.

        Regression: mean squared error after the best factor an output; classification: the
        share of another argmax.
        """

    @property
    @abstractmethod
    def probes(self) -> Floats:
        """Inputs (n, d_in) at which `distance` is taken."""


class Batch(ABC):
    """Points to fit at.

    Attributes:
        count: residuals that the squares are averaged over.
    """

    count: int

    @abstractmethod
    def residuals(self, coordinates: Coordinates, vector: Floats) -> Floats:
        """Returns the residuals (m,)."""

    @abstractmethod
    def linearise(self, coordinates: Coordinates, vector: Floats) -> tuple[Floats, Floats]:
        """Returns the residuals (m,) that are not at rest, and their derivatives (m, size)."""


class Values(Objective):
    """A formula's values on the line, over factors that the untouched ticket sets.

    Args:
        family: has the formula.
        coordinates, start: the ticket, untouched or from where it is fitted again.
        damping: how much smaller the outputs are to vary than the ticket's do, (d_out,).
    """

    def __init__(
        self,
        family: LineFamily,
        coordinates: Coordinates,
        start: Floats,
        *,
        damping: Sequence[float],
    ) -> None:
        self._family = family
        self._probes = np.linspace(-1, 1, 1001)[:, None]
        self._truth = family.truth(self._probes)
        outputs = coordinates.outputs(start, self._probes)
        # Constants are for the outputs' biases, so it is the deviations that must be alike.
        self._factors = np.array(damping) * self._truth.std(axis=0) / outputs.std(axis=0)

    def draw(self, rng: np.random.Generator) -> Batch:
        jitter = rng.uniform(-1, 1, POINTS) / POINTS
        inputs = (np.linspace(-1, 1, POINTS) + jitter)[:, None]
        return _ValueBatch(inputs=inputs, truth=self._family.truth(inputs), factors=self._factors)

    def distance(self, outputs: Floats) -> float:
        return best_scaled_error(outputs, self._truth)[0]

    @property
    def probes(self) -> Floats:
        return self._probes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ValueBatch(Batch):
    inputs: Floats
    truth: Floats
    factors: Floats

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.truth.size

    def residuals(self, coordinates: Coordinates, vector: Floats) -> Floats:
        return (coordinates.outputs(vector, self.inputs) * self.factors - self.truth).ravel()

    def linearise(self, coordinates: Coordinates, vector: Floats) -> tuple[Floats, Floats]:
        outputs, derivatives = coordinates.jacobian(vector, self.inputs)
        residuals = (outputs * self.factors - self.truth).ravel()
        slopes = (derivatives * self.factors[:, None]).reshape(residuals.size, -1)
        return residuals, slopes


class Classes(Objective):
    """The circle's classes: every class must lead where it is right, by a margin that grows.

    The margin over another class is the distance to where that class begins. Only the argmax
    is asked for, so scores may be any functions that give it.
    """

    def __init__(self, family: CircleFamily, *, reach: float) -> None:
        self._family = family
        axis = np.linspace(-1, 1, 101)
        self._probes = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        self._truth = family.truth(self._probes)
        self._reach = reach

    def draw(self, rng: np.random.Generator) -> Batch:
        self._reach = max(self._reach * REACH_SHRINKAGE, FINE_REACH)
        count = FINE_POINTS if self._reach == FINE_REACH else COARSE_POINTS
        anywhere = rng.uniform(-1, 1, (count // 4, 2))
        near = self._family.sample_near_bounds(rng, count - len(anywhere), reach=self._reach)
        inputs = np.concatenate([anywhere, near])
        margins = np.minimum(self._family.class_distances(inputs), FARTHEST)
        return _ClassBatch(
            inputs=inputs, classes=self._family.truth(inputs), margins=margins, count=count
        )

    def distance(self, outputs: Floats) -> float:
        return float((outputs.argmax(axis=1) != self._truth).mean())

    @property
    def probes(self) -> Floats:
        return self._probes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ClassBatch(Batch):
    inputs: Floats
    classes: NDArray[np.int64]
    margins: Floats
    count: int

    def _lacking(self, outputs: Floats) -> Floats:
        """Returns how much of each margin is missing, (n, classes)."""
        places = np.arange(len(outputs))
        lacking = self.margins - (outputs[places, self.classes][:, None] - outputs)
        lacking[places, self.classes] = 0
        return np.maximum(lacking, 0)

    def residuals(self, coordinates: Coordinates, vector: Floats) -> Floats:
        return self._lacking(coordinates.outputs(vector, self.inputs)).ravel()

    def linearise(self, coordinates: Coordinates, vector: Floats) -> tuple[Floats, Floats]:
        outputs, derivatives = coordinates.jacobian(vector, self.inputs)
        lacking = self._lacking(outputs)
        places, others = np.nonzero(lacking)
        slopes = derivatives[places, others] - derivatives[places, self.classes[places]]
        return lacking[places, others], slopes


def best_scaled_error(outputs: Floats, truth: Floats) -> tuple[float, Floats]:
    """Returns the mean squared error after the best factor an output, and these factors.

    Both arguments are (n, d_out); an output that is zero throughout has the factor 0.
    """
    power = np.square(outputs).sum(axis=0)
    product = (outputs * truth).sum(axis=0)
    factors: Floats = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
    return float(np.square(outputs * factors - truth).mean()), factors

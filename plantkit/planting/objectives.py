"""What an anchored ticket is fitted to: the values of a formula, or its classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from plantkit.planting.coordinates import Coordinates
from plantkit.planting.effects import best_scaled_error
from plantkit.planting.targets import Floats

# Points on the line that values are fitted at, drawn anew in every step.
POINTS = 300

# Points that classes are fitted at, while the reach is large and once it is not. There must be more
# near the bounds than the ticket has entries, or every step fits its own points.
COARSE_POINTS = 500
FINE_POINTS = 1600

# How near points are to the bounds of classes, in the first step and at last.
FIRST_REACH = 0.12
FINE_REACH = 0.03
REACH_SHRINKAGE = 0.97

# Distance to a class beyond which no larger margin is asked for.
FARTHEST = 0.15


class Fitted(Protocol):
    """What is asked of a family; see `plantkit.planting.fitting.FittedFamily`."""

    damping: ClassVar[float | tuple[float, ...]]
    inputs: int

    def formula(self, inputs: Floats) -> Floats: ...
    def truth(self, inputs: Floats) -> NDArray[Any]: ...
    def domain(self) -> Floats: ...
    def draw_inputs(self, rng: np.random.Generator, count: int) -> Floats: ...
    def class_distances(self, inputs: Floats) -> Floats: ...
    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats: ...


class Objective(ABC):
    """What a ticket is fitted to: residuals of its outputs at points drawn anew in every step.

    Attributes:
        probes: inputs (n, d_in) at which `distance` is taken.
        inputs: the points (m, d_in) drawn last.
        count: residuals that the squares are averaged over.
    """

    probes: Floats
    inputs: Floats
    count: int

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> None:
        """Draws fresh points to fit at."""

    @abstractmethod
    def distance(self, outputs: Floats) -> float:
        """Returns how far outputs (n, d_out) at `probes` are from the formula, 0 for not at all.

        Regression: mean squared error after the best factor per output; classification: the
        share of another argmax.
        """

    @abstractmethod
    def off(self, outputs: Floats) -> Floats:
        """Returns the residuals (m, d_out) of outputs at the points drawn last."""

    @abstractmethod
    def slopes(self, off: Floats, derivatives: Floats) -> tuple[Floats, Floats]:
        """Returns the residuals (r,) that are not at rest, and their derivatives (r, size).

        Args:
            off: all residuals, (m, d_out).
            derivatives: of the outputs, (m, d_out, size).
        """

    def residuals(self, coordinates: Coordinates, vector: Floats) -> Floats:
        """Returns the residuals (m d_out,) of a ticket's coordinates (size,)."""
        return self.off(coordinates.outputs(vector, self.inputs)).ravel()

    def linearise(self, coordinates: Coordinates, vector: Floats) -> tuple[Floats, Floats]:
        """Returns the residuals (r,) that are not at rest, and their derivatives (r, size)."""
        outputs, derivatives = coordinates.jacobian(vector, self.inputs)
        return self.slopes(self.off(outputs), derivatives)


class Values(Objective):
    """A formula's values, over factors that the untouched ticket sets.

    Args:
        family: has the formula.
        coordinates, start: the ticket, untouched or from where it is fitted again.
    """

    def __init__(self, family: Fitted, coordinates: Coordinates, start: Floats) -> None:
        self._family = family
        self.probes = _probes(family, 1001 if family.inputs == 1 else 101)
        self._probed = family.formula(self.probes)
        outputs = coordinates.outputs(start, self.probes)
        # Constants are for the outputs' biases, so it is the deviations that must be alike.
        self._factors = np.array(family.damping) * self._probed.std(axis=0) / outputs.std(axis=0)

    def draw(self, rng: np.random.Generator) -> None:
        if self._family.inputs == 1:
            jitter = rng.uniform(-1, 1, POINTS) / POINTS
            self.inputs = (np.linspace(-1, 1, POINTS) + jitter)[:, None]
        else:
            self.inputs = self._family.draw_inputs(rng, FINE_POINTS)
        self._truth = self._family.formula(self.inputs)
        self.count = self._truth.size

    def distance(self, outputs: Floats) -> float:
        return best_scaled_error(outputs, self._probed)[0]

    def off(self, outputs: Floats) -> Floats:
        residuals: Floats = outputs * self._factors - self._truth
        return residuals

    def slopes(self, off: Floats, derivatives: Floats) -> tuple[Floats, Floats]:
        return off.ravel(), (derivatives * self._factors[:, None]).reshape(off.size, -1)


class Classes(Objective):
    """Every class must lead where it is right, by a margin that grows with the distance.

    The margin over another class is the distance to where that class begins. Only the argmax
    is asked for, so scores may be any functions that give it.
    """

    def __init__(self, family: Fitted, *, reach: float) -> None:
        self._family = family
        self.probes = _probes(family, 101)
        self._probed = family.truth(self.probes)
        self._reach = reach

    def draw(self, rng: np.random.Generator) -> None:
        self._reach = max(self._reach * REACH_SHRINKAGE, FINE_REACH)
        self.count = FINE_POINTS if self._reach == FINE_REACH else COARSE_POINTS
        anywhere = self._family.draw_inputs(rng, self.count // 4)
        near = self._family.sample_near_bounds(rng, self.count - len(anywhere), self._reach)
        self.inputs = np.concatenate([anywhere, near])
        self._margins = np.minimum(self._family.class_distances(self.inputs), FARTHEST)
        self._classes = self._family.truth(self.inputs)

    def distance(self, outputs: Floats) -> float:
        return float((outputs.argmax(axis=1) != self._probed).mean())

    def off(self, outputs: Floats) -> Floats:
        places = np.arange(len(outputs))
        lacking = self._margins - (outputs[places, self._classes][:, None] - outputs)
        lacking[places, self._classes] = 0
        residuals: Floats = np.maximum(lacking, 0)
        return residuals

    def slopes(self, off: Floats, derivatives: Floats) -> tuple[Floats, Floats]:
        places, others = np.nonzero(off)
        own = derivatives[places, self._classes[places]]
        return off[places, others], derivatives[places, others] - own


def _probes(family: Fitted, count: int) -> Floats:
    """Returns the inputs (n, d_in) at which a fit is judged: `count` per axis on line or plane."""
    if family.inputs > 2:
        return family.domain()
    axis = np.linspace(-1, 1, count)
    return np.stack(np.meshgrid(*[axis] * family.inputs), axis=-1).reshape(-1, family.inputs)

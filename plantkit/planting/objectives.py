"""What the parts of a network are fitted to: the values of formulas, or their classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plantkit.networks.tasks import TaskKind
from plantkit.planting.parts import Parts
from plantkit.planting.targets import Floats

# Points that values are fitted at, on a line and elsewhere, drawn anew in every step.
LINE_POINTS = 150
POINTS = 500

# Points that classes are fitted at, and how many of them may be anywhere.
CLASS_POINTS = 600
ANYWHERE = 150

# How near the other points are to the bounds of classes, in the first step and at last.
FIRST_REACH = 0.12
LAST_REACH = 0.03
REACH_SHRINKAGE = 0.97

# Distance to a class beyond which no larger margin is asked for.
FARTHEST = 0.15

# An untouched part may vary less than others do; no output is asked to vary more than this
# many times what is usual, before it is fitted.
MOST_FACTOR = 4.0

# What the scores of untouched parts vary by at least. Those of deep ones vary less, and are fitted
# times a factor.
LEAST_VARIED = 0.004


class Fitted(Protocol):
    """What is asked of a family; see `plantkit.planting.family.AnchoredFamily`."""

    inputs: int
    kind: TaskKind

    def formula(self, inputs: Floats) -> Floats: ...
    def truth(self, inputs: Floats) -> NDArray[Any]: ...
    def domain(self) -> Floats: ...
    def draw_inputs(self, rng: np.random.Generator, count: int) -> Floats: ...
    def class_distances(self, inputs: Floats) -> Floats: ...
    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats: ...


class Objective(ABC):
    """What every part is fitted to: residuals of its outputs at points drawn anew in every step.

    Attributes:
        families: one for every part.
        inputs: the points (parts, n, d_in) drawn last.
        count: residuals that the squares are averaged over.
    """

    inputs: Tensor
    count: int

    def __init__(self, families: Sequence[Fitted]) -> None:
        self.families = tuple(families)
        domain = families[0].domain()
        self._domain = torch.from_numpy(domain)
        self._truths = torch.from_numpy(np.stack([one.truth(domain) for one in families]))

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> None:
        """Draws fresh points to fit at."""

    @abstractmethod
    def residuals(self, outputs: Tensor, places: Tensor) -> Tensor:
        """Returns the residuals (k, r) of outputs (k, n, d_out) of the parts at these places."""

    @abstractmethod
    def linearise(self, parts: Parts, vector: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the residuals (parts, r) of coordinates, and their derivatives."""

    def distances(self, parts: Parts, vector: Tensor, places: Tensor) -> Tensor:
        """Returns how far some of the parts are from their formulas on the domain, (k,).

        Regression: mean squared error after the best factor per output; classification: the
        share of another argmax.

        Args:
            parts, vector: these parts alone, and their coordinates (k, size).
            places: where they are among all parts.
        """
        inputs = self._domain.expand(len(parts), *self._domain.shape)
        return self._off(parts.outputs(vector, inputs), self._truths[places])

    @abstractmethod
    def _off(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """Returns the distances of outputs (k, n, d_out) on the domain."""


class Values(Objective):
    """Values of formulas, over factors that the untouched parts set."""

    def __init__(self, families: Sequence[Fitted], parts: Parts, start: Tensor) -> None:
        super().__init__(families)
        inputs = self._domain.expand(len(parts), *self._domain.shape)
        varied = parts.outputs(start, inputs).std(dim=1)
        # Constants are for the outputs' biases, so it is the deviations that must be alike.
        factors = self._truths.std(dim=1) / varied.clamp_min(1e-12)
        usual = factors.median(dim=0).values
        self._factors = torch.minimum(factors, MOST_FACTOR * usual)[:, None]

    def draw(self, rng: np.random.Generator) -> None:
        family = self.families[0]
        if family.inputs == 1:
            jitter = rng.uniform(-1, 1, LINE_POINTS) / LINE_POINTS
            points = (np.linspace(-1, 1, LINE_POINTS) + jitter)[:, None]
        else:
            points = family.draw_inputs(rng, POINTS)
        wanted = np.stack([one.formula(points) for one in self.families])
        self._wanted = torch.from_numpy(wanted)
        self.inputs = torch.from_numpy(points).expand(len(self.families), *points.shape)
        self.count = wanted[0].size

    def residuals(self, outputs: Tensor, places: Tensor) -> Tensor:
        return (outputs * self._factors[places] - self._wanted[places]).flatten(1)

    def linearise(self, parts: Parts, vector: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        activations = parts.activations(vector, self.inputs[places])
        outputs = activations[-1]
        found = torch.empty(*outputs.shape, parts.size, dtype=torch.float64)
        for output in range(outputs.shape[2]):
            slopes = torch.zeros_like(outputs)
            slopes[:, :, output] = self._factors[places, :, output]
            found[:, :, output] = parts.derivatives(vector, activations, slopes)
        return self.residuals(outputs, places), found.flatten(1, 2)

    def _off(self, outputs: Tensor, truths: Tensor) -> Tensor:
        power = outputs.square().sum(dim=1, keepdim=True).clamp_min(1e-300)
        factors = (outputs * truths).sum(dim=1, keepdim=True) / power
        return (outputs * factors - truths).square().mean(dim=(1, 2))


class Classes(Objective):
    """Every class must lead where it is right, by a margin that grows with the distance.

    The margin over another class is the distance to where that class begins, and of all others
    the one that lacks most of its margin counts. Only the argmax is asked for, so scores may be
    any functions that give it.
    """

    def __init__(self, families: Sequence[Fitted], factor: float = 1.0) -> None:
        super().__init__(families)
        self._factor = factor  # of the scores, before their margins are looked at
        self._reach = FIRST_REACH
        self.count = CLASS_POINTS

    def draw(self, rng: np.random.Generator) -> None:
        self._reach = max(self._reach * REACH_SHRINKAGE, LAST_REACH)
        points = [self._draw(one, rng) for one in self.families]
        pairs = list(zip(self.families, points, strict=True))
        margins = [np.minimum(one.class_distances(found), FARTHEST) for one, found in pairs]
        self.inputs = torch.from_numpy(np.stack(points))
        self._margins = torch.from_numpy(np.stack(margins))
        own = np.stack([one.truth(found) for one, found in pairs])[..., None]
        self._own = torch.from_numpy(own)

    def residuals(self, outputs: Tensor, places: Tensor) -> Tensor:
        return self._lacking(outputs, places)[0]

    def linearise(self, parts: Parts, vector: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        activations = parts.activations(vector, self.inputs[places])
        residuals, others = self._lacking(activations[-1], places)
        counts = (residuals > 0).to(torch.float64)[..., None]
        slopes = torch.zeros_like(activations[-1])
        slopes.scatter_add_(2, others, counts * self._factor)
        slopes.scatter_add_(2, self._own[places], -counts * self._factor)
        return residuals, parts.derivatives(vector, activations, slopes)

    def _draw(self, family: Fitted, rng: np.random.Generator) -> Floats:
        near = family.sample_near_bounds(rng, CLASS_POINTS - ANYWHERE, self._reach)
        return np.concatenate([near, family.draw_inputs(rng, CLASS_POINTS - len(near))])

    def _lacking(self, outputs: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what is lacking (k, n), and the class (k, n, 1) that lacks most of its margin."""
        own = self._own[places]
        lacking = self._margins[places] - self._factor * (outputs.gather(2, own) - outputs)
        lacking.scatter_(2, own, 0.0)
        most, others = lacking.max(dim=2, keepdim=True)
        return most[..., 0].relu(), others

    def _off(self, outputs: Tensor, truths: Tensor) -> Tensor:
        return (outputs.argmax(dim=2) != truths).to(torch.float64).mean(dim=1)


def objective_of(families: Sequence[Fitted], parts: Parts, start: Tensor) -> Objective:
    """Returns what parts are fitted to, each to its family, from coordinates (parts, size)."""
    if families[0].kind is TaskKind.CLASSIFICATION:
        domain = torch.from_numpy(families[0].domain())
        varied = parts.outputs(start, domain.expand(len(parts), *domain.shape)).std(dim=1)
        return Classes(families, max(1.0, LEAST_VARIED / max(float(varied.median()), 1e-12)))
    return Values(families, parts, start)

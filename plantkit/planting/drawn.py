"""Families that are a formula with random constants, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.family import AnchoredFamily, dial
from plantkit.planting.parts import PartPlan
from plantkit.planting.targets import Floats

# Step of the finite differences that distances to classes come from.
STEP = 1e-4

# Inputs that are drawn for each one that is wanted near to the bounds of classes.
DRAWS = 6

# Least share of the domain that a class has, and draws of constants before planting gives up.
LEAST_CLASS = 0.1
MOST_DRAWS = 100


@dataclass(frozen=True, kw_only=True)
class DrawnFamily(AnchoredFamily):
    """A formula whose constants every planting draws for itself, so that nobody can tune to it.

    A family of this kind says its formula, its dials, and how near a ticket must come to the
    formula. Everything else has a default. A formula draws its constants from `self.constants()`.

    Attributes:
        units: ticket units of each hidden layer.
        in_degree: ticket weights that a unit reads, at most.
        instance: what the constants are drawn by; not a dial.
    """

    minimum_depth: ClassVar[int] = 4
    outputs = 1
    kind = TaskKind.REGRESSION
    units: int = dial(10, 4, 200)
    in_degree: int = dial(5, 2, 50)
    instance: int = field(default=0, repr=False, metadata={"is_dial": False})

    def __post_init__(self) -> None:
        self.check_dials()

    def constants(self) -> np.random.Generator:
        """Returns the source of the formula's constants, always at its beginning."""
        return np.random.default_rng(self.instance)

    def drawn(self, rng: np.random.Generator) -> Self:
        """Returns the family with other constants, and no class that is nearly empty.

        Raises:
            PlantingError: with these dials, one always is.
        """
        for _ in range(MOST_DRAWS):
            found = replace(self, instance=int(rng.integers(2**63)))
            if self.kind is TaskKind.REGRESSION:
                return found
            classes = np.bincount(found.truth(found.domain()), minlength=self.outputs)
            if classes.min() >= LEAST_CLASS * classes.sum():
                return found
        raise PlantingError(
            f"in {MOST_DRAWS} draws of the constants of {self.name!r}, a class had less than "
            f"{LEAST_CLASS:.0%} of the domain; use other dials"
        )

    def hides(self, spec: PerceptronSpec) -> bool:
        """Returns whether `spec` was audited and kept the limits, with the dials as they are."""
        return super().hides(spec) and self.dials == type(self)().dials

    def plan(self, hidden: int) -> PartPlan:
        return PartPlan(units=self.units, in_degree=self.in_degree, inputs=self.in_degree)

    def sibling(self, rng: np.random.Generator) -> Self:
        """Returns the family with constants that make another function.

        Raises:
            PlantingError: with these dials, there is one function only.
        """
        domain = self.domain()
        for _ in range(MOST_DRAWS):
            found = self.drawn(rng)
            if not np.array_equal(found.truth(domain), self.truth(domain)):
                return found
        raise PlantingError(
            f"with these dials {self.name!r} is one function, whatever its constants, and decoys "
            "need others; use other dials"
        )

    def class_distances(self, inputs: Floats) -> Floats:
        """Returns how far each input is from where each class begins, (n, d_out), 0 for its own.

        To first order: what a score lacks, over the slope of that.
        """
        own = self.truth(inputs)[:, None]

        def lead(points: Floats) -> Floats:
            scores = self.formula(points)
            return np.take_along_axis(scores, own, axis=1) - scores

        leads = lead(inputs)
        steps = STEP * np.eye(self.inputs)
        changes = [lead(inputs + step) - lead(inputs - step) for step in steps]
        slopes = np.linalg.norm(changes, axis=0) / (2 * STEP)
        flat = np.full(leads.shape, np.inf)
        distances: Floats = np.divide(leads, slopes, out=flat, where=slopes > 0)
        distances[np.arange(len(inputs)), own[:, 0]] = 0
        return distances

    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats:
        inputs = self.draw_inputs(rng, DRAWS * count)
        nearest = np.partition(self.class_distances(inputs), 1, axis=1)[:, 1]
        return inputs[nearest <= reach][:count]

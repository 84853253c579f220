"""Families that are a formula with random constants, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec, bias_name
from plantkit.networks.tasks import TaskKind
from plantkit.planting.family import Anchored, dial
from plantkit.planting.fitting import FittedFamily
from plantkit.planting.objectives import FARTHEST
from plantkit.planting.structures import TicketLayer, Tilt
from plantkit.planting.targets import Floats, Ticket, touched_units

# Step of the finite differences that distances to classes come from.
STEP = 1e-4

# Inputs that are drawn for each one that is wanted near to the bounds of classes.
DRAWS = 6

# Least share of the domain that a class has, and draws of constants before planting gives up.
LEAST_CLASS = 0.1
MOST_DRAWS = 100

INNER = Tilt(weights=5.0, agreement=-6.5)
LAST = Tilt(weights=8.0, agreement=-10.0)


@dataclass(frozen=True, kw_only=True)
class DrawnFamily(FittedFamily):
    """A formula whose constants every planting draws for itself, so that nobody can tune to it.

    A family of this kind says its formula, its dials, and how near a ticket must come to the
    formula. Everything else has a default. A formula draws its constants from `self.constants()`.

    Attributes:
        units: ticket units of each hidden layer.
        in_degree: ticket weights that a unit reads behind the first hidden layer, at most.
        decoys: further parts of the network that are moved to formulas with other constants.
        instance: what the constants are drawn by; not a dial.
    """

    anchored_depth: ClassVar[int] = 4
    minimum_depth: ClassVar[int] = 4
    outputs = 1
    kind = TaskKind.REGRESSION
    units: int = dial(14, 4, 200)
    in_degree: int = dial(5, 2, 50)
    decoys: int = dial(0, 0, 8)
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
        was_audited = {*spec.widths[1:-1]} == {self.audited_width}
        return was_audited and super().hides(spec) and self.dials == type(self)().dials

    def layers(self, hidden: int) -> tuple[TicketLayer, ...]:
        first = TicketLayer(
            kind="first",
            units=self.units,
            in_degree=self.in_degree,
            bias_share=0.0,
            active_share=0.0,
            inactive_share=0.0,
            tilt=Tilt(),
        )
        inner = replace(first, kind="inner", active_share=0.08, bias_share=0.6, tilt=INNER)
        last = replace(inner, kind="last", inactive_share=0.08, tilt=LAST)
        return (first, *(inner,) * (hidden - 2), last)

    def widths(self, hidden: int) -> tuple[int, ...]:
        """Returns how many units of each hidden layer the ticket and its decoys need."""
        return tuple((self.decoys + 1) * units for units in super().widths(hidden))

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
        flat = np.full(leads.shape, FARTHEST)
        distances: Floats = np.divide(leads, slopes, out=flat, where=slopes > 0)
        distances[np.arange(len(inputs)), own[:, 0]] = 0
        return distances

    def sample_near_bounds(self, rng: np.random.Generator, count: int, reach: float) -> Floats:
        inputs = self.draw_inputs(rng, DRAWS * count)
        nearest = np.partition(self.class_distances(inputs), 1, axis=1)[:, 1]
        return inputs[nearest <= reach][:count]

    def anchor(
        self, spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored:
        """Returns the network with a random ticket moved into place, and its decoys.

        Decoys come before and after the ticket, in units of their own. The biases of the outputs
        are the ticket's: a decoy is its formula up to a constant.
        """
        bias = bias_name(spec.layers[-1])
        taken: list[Ticket] = []
        place = int(rng.integers(self.decoys + 1))
        for number in range(self.decoys + 1):
            family = self if number == place else self.drawn(rng)
            moved, found = family.fit_in(spec, parameters, rng, taken=_units(spec, taken))
            if number != place:
                moved = {**moved, bias: parameters[bias]}
                found = {**found, bias: np.zeros_like(found[bias])}
            parameters = moved
            taken.append(found)
        ticket = taken.pop(place)
        return Anchored(parameters=parameters, ticket=ticket, decoys=tuple(taken))


def _units(spec: PerceptronSpec, tickets: Sequence[Ticket]) -> list[NDArray[np.intp]] | None:
    """Returns the units of all tickets in every layer of neurons."""
    found = [touched_units(spec, ticket) for ticket in tickets]
    return [np.unique(np.concatenate(units)) for units in zip(*found, strict=True)] or None

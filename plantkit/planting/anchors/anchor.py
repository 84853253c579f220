"""What an anchor must give, and how far its ticket is from the formula."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.balancing import NO_BALANCE, Balance, Roles
from plantkit.planting.family import LineFamily
from plantkit.planting.objectives import best_scaled_error
from plantkit.planting.preferences import Preferences
from plantkit.planting.structures import Ticket
from plantkit.planting.targets import Floats

LEAST_EFFECT = 0.0005
"""Least error, root mean square over standard deviation, that dropping any one entry makes."""

DROP_BELOW = 0.0007
"""Entries that matter less are dropped from a ticket."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchored:
    """A network whose ticket has been moved: parameters and ticket, by name."""

    parameters: Mapping[str, Floats]
    ticket: Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Between a ticket and its family's formula.

    Attributes:
        measure: `agreement`, the share of the domain where both have the same argmax; or `mse`,
            the mean squared error after the best factor an output.
        value: what was measured on the family's domain.
        bound: what it may be: agreement at least, mse at most.
    """

    measure: str
    value: float
    bound: float

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.measure == "agreement" else self.value <= self.bound

    def to_json(self) -> dict[str, object]:
        return {"measure": self.measure, "value": self.value, "bound": self.bound}


class Anchor(ABC):
    """One family's way of anchoring.

    Attributes:
        measure, bound: of the distance to the formula, as `Distance` has them.
        minimum_depth: in layers of neurons.
        most_attempts: structures that are moved before planting gives up.
        common_factor: whether all outputs must share one factor, as classes must.
        hidden_depths: in layers of neurons, between the least and the greatest depth at which
            the audit's limits are kept; see docs/audit.md.
        hidden_width: least width of a hidden layer at which they were measured to be.
    """

    measure: ClassVar[str]
    bound: ClassVar[float]
    minimum_depth: ClassVar[int]
    most_attempts: ClassVar[int] = 200
    common_factor: ClassVar[bool]
    hidden_depths: ClassVar[range]
    hidden_width: ClassVar[int]

    @abstractmethod
    def units(self, hidden: int) -> tuple[int, ...]:
        """Returns how many units of each of `hidden` hidden layers a ticket needs."""

    def hides(self, spec: PerceptronSpec) -> bool:
        """Returns whether `spec` lies within what was audited and kept the limits."""
        return spec.depth in self.hidden_depths and min(spec.widths[1:-1]) >= self.hidden_width

    def preferences(self, hidden: int) -> Mapping[int, Preferences]:
        """Returns the preferences for units, by layer from 0, with `hidden` hidden layers."""
        return {}

    def balance(self, hidden: int) -> Balance:
        """Returns how many tickets are planted in `hidden` hidden layers, and which one is kept."""
        return NO_BALANCE

    @abstractmethod
    def kinds(self, hidden: int) -> tuple[str, ...]:
        """Returns what the ticket's units are, a word for each of `hidden` hidden layers."""

    def roles(self, hidden: int) -> Roles:
        """Returns the roles that the balance goes by, parameter name to role."""
        kinds = ("inputs", *self.kinds(hidden), "outputs")
        found: dict[str, str] = {}
        for layer, (before, here) in enumerate(itertools.pairwise(kinds)):
            found[weight_name(layer)] = f"{before} to {here}"
            found[bias_name(layer)] = f"biases of {here} after {before}"
        return found

    @abstractmethod
    def anchor(
        self, spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored | None:
        """Returns the network with a random ticket moved into place, None if that failed.

        Args:
            spec: the network.
            parameters: name to float64, as drawn; not altered.
            rng: source of all choices.
        """

    @abstractmethod
    def factors(self, outputs: Floats, inputs: Floats) -> Floats:
        """Returns what the ticket's outputs (n, d_out) are over the formula's, (d_out,)."""

    @abstractmethod
    def distance(self, outputs: Floats, inputs: Floats) -> Distance:
        """Returns how far outputs (n, d_out) of inputs (n, d_in) are from the formula."""


class ValueAnchor(Anchor):
    """What anchors of regression families share."""

    measure = "mse"
    common_factor = False
    family: LineFamily

    def factors(self, outputs: Floats, inputs: Floats) -> Floats:
        return 1 / best_scaled_error(outputs, self.family.truth(inputs))[1]

    def distance(self, outputs: Floats, inputs: Floats) -> Distance:
        error = best_scaled_error(outputs, self.family.truth(inputs))[0]
        return Distance(measure=self.measure, value=error, bound=self.bound)

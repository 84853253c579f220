"""How each family's ticket is anchored: its structure, and how its values are moved.

An anchor draws a random sparse structure of an untouched network and moves the structure's own
values, and no others, as little as it takes to compute the family's formula approximately.
A new family is one line in `ANCHORS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from plantkit.networks import NetworkSpec, weight_name
from plantkit.planting.coordinates import Coordinates
from plantkit.planting.families.circle import CircleFamily
from plantkit.planting.families.helix import HelixFamily
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.family import LineFamily
from plantkit.planting.fitting import Schedule, fit
from plantkit.planting.gates import subnetwork
from plantkit.planting.objectives import (
    DAMPING,
    FINE_REACH,
    FIRST_REACH,
    Classes,
    Objective,
    Values,
    best_scaled_error,
)
from plantkit.planting.rescaling import draw_scales
from plantkit.planting.structures import LayerSizes, Ticket, draw_structure, drop_idle_entries
from plantkit.planting.targets import Floats

LEAST_EFFECT = 0.0005
"""Least error, root mean square over standard deviation, that dropping any one entry makes."""

DROP_BELOW = 0.0007
"""Entries that matter less are dropped after the fit, before the last one."""

EFFECT_POINTS = 700
"""Inputs at which effects are measured while planting; the gates look at the whole domain."""

ROUNDING = 1e-9
"""A weight that projection leaves less of, relatively, is rounding error."""

STRUCTURES = 12
"""Structures from which the one is taken whose last units predict the formula best."""

REFITS = 3
"""Times that a ticket is fitted anew after idle entries were dropped."""


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
        common_factor: whether all outputs must share one factor, as classes must.
        hidden: whether the audit's limits are kept; measured, see docs/audit.md.
    """

    hidden: ClassVar[bool]
    measure: ClassVar[str]
    bound: ClassVar[float]
    minimum_depth: ClassVar[int]
    common_factor: ClassVar[bool]

    @abstractmethod
    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        """Returns the structure's sizes in a network of `hidden` hidden layers."""

    @abstractmethod
    def anchor(
        self, spec: NetworkSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
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


class _ValueAnchor(Anchor):
    """What anchors of regression families share."""

    measure = "mse"
    common_factor = False
    family: LineFamily

    def factors(self, outputs: Floats, inputs: Floats) -> Floats:
        return 1 / best_scaled_error(outputs, self.family.truth(inputs))[1]

    def distance(self, outputs: Floats, inputs: Floats) -> Distance:
        error = best_scaled_error(outputs, self.family.truth(inputs))[0]
        return Distance(measure=self.measure, value=error, bound=self.bound)


class ReluAnchor(_ValueAnchor):
    """Four units a layer, three of them read by each, no biases; only the output weights move.

    Such a network is a multiple of x on either side of zero. Projecting the output weights
    onto those that give 0 at x = -1 makes it a multiple of max(0, x), whose sign is free,
    as scoring fits a factor to every output of a regression.
    """

    hidden = False
    bound = 1e-10
    minimum_depth = 3
    family = ReluFamily()

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        return (LayerSizes(units=4, in_degree=3, bias_share=0.0, inactive_share=0.0),) * hidden

    def anchor(
        self, spec: NetworkSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored | None:
        domain = self.family.domain()
        sizes = self.sizes(len(spec.layers) - 1)
        ticket = draw_structure(spec, parameters, sizes, domain, rng)
        if ticket is None:
            return None
        network = subnetwork(spec, parameters, ticket)
        left = np.maximum(network.preactivations(-np.ones((1, 1)))[-2][0], 0)
        power = float(left @ left)
        name = weight_name(spec.layers[-1])
        moved = {key: np.array(value) for key, value in parameters.items()}
        row = moved[name][0, ticket[name][0]]
        if power > 0:
            projected = row - left * (left @ row) / power
            # One unit alone on the left has nothing to cancel with, so its weight goes.
            projected[np.abs(projected) < ROUNDING * np.abs(row)] = 0
            moved[name][0, ticket[name][0]] = projected
            ticket[name] &= moved[name] != 0
        if not subnetwork(spec, moved, ticket).forward(np.ones((1, 1))).all():
            return None
        kept = drop_idle_entries(spec, moved, ticket, domain, least_effect=DROP_BELOW)
        if not kept[name].any():
            return None
        moved[name] = np.where(kept[name], moved[name], parameters[name])
        return Anchored(parameters=moved, ticket=kept)


class _FittedAnchor(Anchor):
    """What anchors share that fit by Levenberg-Marquardt."""

    schedule: Schedule
    refit: Schedule

    @abstractmethod
    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        """Returns what the ticket is fitted to, once or `again`, from the coordinates `start`."""

    @abstractmethod
    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Returns inputs (n, d_in), and values (n, k) that a good structure's units explain."""

    def anchor(
        self, spec: NetworkSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored | None:
        inputs, wanted = self.screen(rng)
        ticket = self._best_structure(spec, parameters, inputs, wanted, rng)
        if ticket is None:
            return None
        coordinates = Coordinates(spec, ticket, parameters, inputs)
        untouched = coordinates.read(parameters)
        objective = self.objective(coordinates, untouched, again=False)
        vector, distance = fit(objective, coordinates, untouched, untouched, self.schedule, rng)
        stride = max(1, len(objective.probes) // EFFECT_POINTS)
        probes = rng.permutation(objective.probes)[::stride]
        for _ in range(REFITS):
            if distance > 2 * self.schedule.goal:
                return None
            moved = coordinates.write(vector, parameters)
            kept = drop_idle_entries(spec, moved, ticket, probes, least_effect=DROP_BELOW)
            if all((kept[name] == ticket[name]).all() for name in ticket):
                break
            ticket = kept
            coordinates = Coordinates(spec, ticket, moved, inputs)
            start, untouched = coordinates.read(moved), coordinates.read(parameters)
            objective = self.objective(coordinates, start, again=True)
            vector, distance = fit(objective, coordinates, start, untouched, self.refit, rng)
        vector = draw_scales(coordinates, vector, rng, common=self.common_factor)
        return Anchored(parameters=coordinates.write(vector, parameters), ticket=ticket)

    def _best_structure(
        self,
        spec: NetworkSpec,
        parameters: Mapping[str, Floats],
        inputs: Floats,
        wanted: Floats,
        rng: np.random.Generator,
    ) -> Ticket | None:
        best: Ticket | None = None
        least = np.inf
        for _ in range(STRUCTURES):
            ticket = draw_structure(spec, parameters, self.sizes(len(spec.layers) - 1), inputs, rng)
            if ticket is None:
                continue
            units = np.maximum(subnetwork(spec, parameters, ticket).preactivations(inputs)[-2], 0)
            scaled = units / np.maximum(units.std(axis=0), 1e-300)
            design = np.column_stack([scaled, np.ones(len(inputs))])
            normal = design.T @ design + 1e-6 * len(inputs) * np.eye(design.shape[1])
            residual = wanted - design @ np.linalg.solve(normal, design.T @ wanted)
            error = float(np.square(residual).mean())
            if error < least:
                for name in ticket:
                    if name.endswith(f".{spec.layers[-1]}.bias"):
                        ticket[name][:] = True
                best, least = ticket, error
        return best


class HelixAnchor(_ValueAnchor, _FittedAnchor):
    """About 310 entries at 5x100; half of the first layer's units and all others have biases."""

    hidden = False
    bound = 1e-4
    minimum_depth = 4
    family = HelixFamily()
    schedule = Schedule(start=DAMPING, end=0.006, shrinkage=0.87, steps=90, goal=8.5e-5)
    refit = Schedule(start=0.008, end=0.006, shrinkage=0.9, steps=40, goal=8.5e-5)

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        first = LayerSizes(
            units=10, in_degree=1, bias_share=0.5, active_share=0.0, inactive_share=0.0
        )
        middle = LayerSizes(
            units=12, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.04
        )
        folds = LayerSizes(
            units=16, in_degree=4, bias_share=1.0, active_share=0.04, inactive_share=0.04
        )
        last = LayerSizes(
            units=24, in_degree=5, bias_share=1.0, active_share=0.04, inactive_share=0.04
        )
        if hidden == 2:
            return first, last
        return (first, *(middle,) * (hidden - 3), folds, last)

    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        inputs = np.linspace(-1, 1, 200)[:, None]
        return inputs, self.family.truth(inputs)

    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        return Values(self.family, coordinates, start)


class CircleAnchor(_FittedAnchor):
    """About 240 entries at 5x100; only which class leads is asked for.

    The first layer's biases stay outside of the ticket: without them its units differ by
    direction and size alone, and there is nothing to select a bias by.
    """

    hidden = True
    measure = "agreement"
    bound = 0.985
    minimum_depth = 4
    common_factor = True
    family = CircleFamily()
    schedule = Schedule(start=0.3, end=0.003, shrinkage=0.9, steps=68, goal=0.012)
    refit = Schedule(start=0.006, end=0.003, shrinkage=0.85, steps=12, goal=0.012)

    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        first = LayerSizes(units=16, in_degree=2, bias_share=0.0)
        middle = LayerSizes(units=14, in_degree=4, bias_share=0.6)
        wide = LayerSizes(units=16, in_degree=5, bias_share=0.6)
        last = LayerSizes(units=14, in_degree=5, bias_share=0.6)
        if hidden == 2:
            return first, LayerSizes(units=22, in_degree=6, bias_share=0.6)
        return (first, *(middle,) * (hidden - 3), wide, last)

    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        inputs = rng.uniform(-1, 1, (400, 2))
        square = np.square(inputs).sum(axis=1)
        return inputs, np.stack([square, square**2, np.sqrt(square)], axis=1)

    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        return Classes(self.family, reach=FINE_REACH if again else FIRST_REACH)

    def factors(self, outputs: Floats, inputs: Floats) -> Floats:
        return np.full(outputs.shape[1], outputs.std())

    def distance(self, outputs: Floats, inputs: Floats) -> Distance:
        agreement = float((outputs.argmax(axis=1) == self.family.truth(inputs)).mean())
        return Distance(measure=self.measure, value=agreement, bound=self.bound)


ANCHORS: Mapping[str, Anchor] = MappingProxyType(
    {"circle": CircleAnchor(), "helix": HelixAnchor(), "relu": ReluAnchor()}
)
"""By name of the family."""

"""Anchors that fit their ticket by Levenberg-Marquardt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from plantkit.networks import PerceptronSpec
from plantkit.planting.anchors.anchor import DROP_BELOW, Anchor, Anchored
from plantkit.planting.coordinates import Coordinates
from plantkit.planting.fitting import Schedule, fit
from plantkit.planting.gates import subnetwork
from plantkit.planting.objectives import Objective
from plantkit.planting.preferences import Preferences
from plantkit.planting.rescaling import draw_scales
from plantkit.planting.structures import LayerSizes, Ticket, drop_idle_entries
from plantkit.planting.targets import Floats
from plantkit.planting.tilting import Tilt, draw_tilted_structure

EFFECT_POINTS = 700
"""Inputs at which effects are measured while planting; the gates look at the whole domain."""

STRUCTURES = 12
"""Structures from which the one is taken whose last units predict the formula best."""

REFITS = 3
"""Times that a ticket is fitted anew after idle entries were dropped."""


class FittedAnchor(Anchor):
    """What anchors share that fit by Levenberg-Marquardt.

    Attributes:
        schedule, refit: of the tolerance, at first and after idle entries were dropped.
    """

    schedule: Schedule
    refit: Schedule

    @abstractmethod
    def sizes(self, hidden: int) -> tuple[LayerSizes, ...]:
        """Returns the structure's sizes in a network of `hidden` hidden layers."""

    @abstractmethod
    def tilts(self, hidden: int) -> tuple[Tilt, ...]:
        """Returns the counterweights to selection, one for each of `hidden` hidden layers."""

    def preferences(self, hidden: int) -> Mapping[int, Preferences]:
        return {layer: tilt.units for layer, tilt in enumerate(self.tilts(hidden)) if tilt.units}

    def units(self, hidden: int) -> tuple[int, ...]:
        return tuple(size.units for size in self.sizes(hidden))

    def held(self, hidden: int) -> int:
        """Returns how many of the first of `hidden` hidden layers are left as drawn."""
        return 0

    @abstractmethod
    def objective(self, coordinates: Coordinates, start: Floats, *, again: bool) -> Objective:
        """Returns what the ticket is fitted to, once or `again`, from the coordinates `start`."""

    @abstractmethod
    def screen(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Returns inputs (n, d_in), and values (n, k) that a good structure's units explain."""

    def anchor(
        self, spec: PerceptronSpec, parameters: Mapping[str, Floats], rng: np.random.Generator
    ) -> Anchored | None:
        inputs, wanted = self.screen(rng)
        held = self.held(len(spec.layers) - 1)
        ticket = self._best_structure(spec, parameters, inputs, wanted, rng)
        if ticket is None:
            return None
        coordinates = Coordinates(spec, ticket, parameters, inputs)
        untouched = coordinates.read(parameters)
        objective = self.objective(coordinates, untouched, again=False)
        vector, distance = fit(
            objective, coordinates, untouched, untouched, self.schedule, rng, held=held
        )
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
            vector, distance = fit(
                objective, coordinates, start, untouched, self.refit, rng, held=held
            )
        vector = draw_scales(coordinates, vector, rng, common=self.common_factor, held=held)
        return Anchored(parameters=coordinates.write(vector, parameters), ticket=ticket)

    def _best_structure(
        self,
        spec: PerceptronSpec,
        parameters: Mapping[str, Floats],
        inputs: Floats,
        wanted: Floats,
        rng: np.random.Generator,
    ) -> Ticket | None:
        best: Ticket | None = None
        least = np.inf
        hidden = len(spec.layers) - 1
        sizes, tilts = self.sizes(hidden), self.tilts(hidden)
        for _ in range(STRUCTURES):
            ticket = draw_tilted_structure(spec, parameters, sizes, tilts, inputs, rng)
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

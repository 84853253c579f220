"""`anchored`: a formula's function, with the ticket's own initial values moved the least.

Given that a sparse part of a network computes f, the initial law leaves all other parameters
as they are and conditions this part alone. So a network is drawn, and nothing in it is touched
but the ticket's entries, which are moved from their own initial values to a solution nearby
(`plantkit.planting.anchors`). What comes out approximates the formula within a stated bound,
and *defines* the labels: it is exact up to the noise that the manifest states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from plantkit.errors import PlantingError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.planting.alternatives import UNKNOWN, count_relu_paths
from plantkit.planting.anchors import ANCHORS, LEAST_EFFECT, Anchored
from plantkit.planting.effects import relative_error
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.family import Family
from plantkit.planting.gates import check_ticket, subnetwork
from plantkit.planting.initialization import draw_parameters, standard_deviations
from plantkit.planting.methods.method import PlantingMethod
from plantkit.planting.planted import LabelSource, Planted, masked, rescaled
from plantkit.planting.streams import generator
from plantkit.planting.structures import Ticket, check_width
from plantkit.planting.targets import Floats

LEAST_ACTIVITY = 0.01
"""Least share of the domain on which every hidden unit of the ticket is active."""


class AnchoredMethod(PlantingMethod):
    """A random structure whose entries are moved as little as possible onto a formula."""

    name: ClassVar[str] = "anchored"
    title: ClassVar[str] = "a formula is reached by moving the ticket's own values the least"
    hidden: ClassVar[bool] = True

    def fits(self, family: Family) -> bool:
        return family.name in ANCHORS

    def _plant(self, family: Family, spec: PerceptronSpec, seed: bytes) -> Planted:
        anchor = ANCHORS[family.name]
        hidden = len(spec.layers) - 1
        balance = anchor.balance(hidden)
        candidates = self.candidates(family, spec, seed, balance.candidates)
        kept = balance.choose(candidates, anchor.roles(hidden), generator(seed, "balancing"))
        return candidates[kept]

    def candidates(
        self, family: Family, spec: PerceptronSpec, seed: bytes, count: int
    ) -> list[Planted]:
        """Returns `count` tickets of one network, each planted by itself.

        All arguments but `count` are those of `plant`, which keeps one of them.
        """
        anchor = ANCHORS[family.name]
        if spec.depth < anchor.minimum_depth:
            raise UsageError(
                f"anchored planting of {family.name!r} needs a depth of at least "
                f"{anchor.minimum_depth} layers of neurons; got {spec.depth}"
            )
        check_width(spec, anchor.units(len(spec.layers) - 1), name=family.name)
        drawn = draw_parameters(spec, generator(seed, "initialization"))
        rng = generator(seed, "anchoring")
        domain = family.domain()
        return [self._candidate(family, spec, drawn, domain, rng) for _ in range(count)]

    def _candidate(
        self,
        family: Family,
        spec: PerceptronSpec,
        drawn: Mapping[str, Floats],
        domain: Floats,
        rng: np.random.Generator,
    ) -> Planted:
        anchor = ANCHORS[family.name]
        faults: Counter[str] = Counter()
        for attempt in range(1, anchor.most_attempts + 1):
            found = anchor.anchor(spec, drawn, rng)
            if found is None:
                faults["no structure, or no fit"] += 1
                continue
            ticket = found.ticket
            parameters = _published(found)
            network = subnetwork(spec, parameters, ticket)
            outputs = network.forward(domain)
            distance = anchor.distance(outputs, domain)
            if not distance.is_met:
                faults["distance to the formula"] += 1
                continue
            scales = anchor.factors(outputs, domain)
            try:
                gates = check_ticket(
                    network,
                    scales,
                    rescaled(masked(spec, parameters, ticket), scales),
                    domain,
                    least_effect=LEAST_EFFECT,
                    least_activity=LEAST_ACTIVITY,
                    measure=relative_error,
                )
            except PlantingError:
                faults["a gate"] += 1
                continue
            is_relu = isinstance(family, ReluFamily)
            return Planted(
                family=family.name,
                method=self.name,
                hidden=anchor.hides(spec),
                spec=spec,
                parameters=parameters,
                ticket=ticket,
                output_scales=scales,
                labels=LabelSource.TICKET,
                gates=gates,
                alternatives=count_relu_paths(spec, parameters) if is_relu else UNKNOWN,
                facts={"distance": distance.to_json()},
                note=f"{distance.measure} with the formula {distance.value:.3g} "
                f"(bound {distance.bound:g}); entries moved by "
                f"{_movement(spec, drawn, parameters, ticket):.2f} initial standard deviations; "
                f"structures tried {attempt}",
            )
        reasons = ", ".join(f"{reason} ({count})" for reason, count in faults.most_common())
        raise PlantingError(
            f"none of {anchor.most_attempts} structures in {spec.label} could be anchored: "
            f"{reasons}; use another depth or width, or --planting faithful"
        )


def _published(found: Anchored) -> dict[str, Floats]:
    """Returns the parameters rounded to float32, which is what a bundle holds."""
    return {
        name: value.astype(np.float32).astype(np.float64)
        for name, value in found.parameters.items()
    }


def _movement(
    spec: PerceptronSpec,
    before: Mapping[str, Floats],
    after: Mapping[str, Floats],
    ticket: Ticket,
) -> float:
    deviations = standard_deviations(spec)
    moves = [(after[name] - before[name])[ticket[name]] / deviations[name] for name in spec.shapes]
    return float(np.sqrt(np.square(np.concatenate(moves)).mean()))

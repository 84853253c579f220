"""`selected`: nothing is written; a sparse part of the untouched network defines the labels.

The network is one draw of the initial law and stays so to the last bit. Given it, a random
structure (`plantkit.planting.structures`) is drawn until its function makes a challenge
(`plantkit.planting.quality`) and passes the gates. So the ticket is a draw from all the
structures of this very network that would have passed: every one of them is a decoy, and the
parameters can tell an attacker no more than which entries more of them share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from plantkit.errors import PlantingError, UsageError
from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import TaskKind
from plantkit.planting.alternatives import UNKNOWN
from plantkit.planting.effects import relative_error
from plantkit.planting.families.teacher import TeacherFamily
from plantkit.planting.family import Family
from plantkit.planting.gates import GateReport, check_ticket, subnetwork
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.methods.method import PlantingMethod
from plantkit.planting.planted import LabelSource, Planted, masked, rescaled
from plantkit.planting.quality import Quality, assess
from plantkit.planting.streams import generator
from plantkit.planting.structures import (
    LayerSizes,
    Ticket,
    check_width,
    draw_structure,
    drop_idle_entries,
)
from plantkit.planting.targets import Floats

MOST_DRAWS = 5000
"""Structures that are drawn before planting gives up."""

LEAST_EFFECT = 0.002
"""Least error, root mean square over standard deviation, that dropping any one entry makes.

Entries that matter less are dropped from a structure before it is judged. A higher bar would
say more of the values that stay: at 0.01 the audit finds the ticket with an AUC of 0.55.
"""

LEAST_ACTIVITY = 0.05
"""Least share of the domain on which every hidden unit of the ticket is active."""

SCREENING_POINTS = 600
"""Random inputs on which structures are drawn; the gates look at the whole domain."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """A ticket that passed, and what was measured on the way."""

    ticket: Ticket
    scales: Floats
    gates: GateReport
    quality: Quality
    draws: int


class SelectedMethod(PlantingMethod):
    """A random structure of the untouched network, drawn until its function is of use."""

    name: ClassVar[str] = "selected"
    title: ClassVar[str] = "nothing is written: a part of the random network defines the labels"
    hidden: ClassVar[bool] = True

    def fits(self, family: Family) -> bool:
        return isinstance(family, TeacherFamily)

    def _plant(self, family: Family, spec: PerceptronSpec, seed: bytes) -> Planted:
        if not isinstance(family, TeacherFamily):
            raise UsageError(f"family {family.name!r} is not one to select a ticket for")
        check_width(spec, [size.units for size in _sizes(family, spec)], name=family.name)
        # What a bundle holds are these float32 values, and they define the labels.
        parameters = {
            name: value.astype(np.float32).astype(np.float64)
            for name, value in draw_parameters(spec, generator(seed, "initialization")).items()
        }
        selection = select(family, spec, parameters, generator(seed, "selection"))
        return Planted(
            family=family.name,
            method=self.name,
            hidden=self.hidden,
            spec=spec,
            parameters=parameters,
            ticket=selection.ticket,
            output_scales=selection.scales,
            labels=LabelSource.TICKET,
            gates=selection.gates,
            alternatives=UNKNOWN,
            facts={"dials": dict(family.dials), "nonlinear_share": selection.quality.nonlinear},
            note=f"structures drawn {selection.draws}; "
            f"nonlinear share {selection.quality.nonlinear:.3f}",
        )


def select(
    family: TeacherFamily,
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    rng: np.random.Generator,
) -> Selection:
    """Returns a random ticket of this network, out of all that pass.

    Another `rng` gives another one: that is what an attacker who knows the recipe can do too.

    Args:
        family: its dials are the ticket's sizes.
        spec: the network, wide enough.
        parameters: name to float64; never altered.
        rng: source of all choices.

    Raises:
        PlantingError: none passed within `MOST_DRAWS`; the message counts the reasons.
    """
    domain = family.domain()
    sizes = _sizes(family, spec)
    faults: Counter[str] = Counter()
    for draw in range(1, MOST_DRAWS + 1):
        inputs = rng.uniform(-1, 1, (SCREENING_POINTS, family.inputs))
        drawn = draw_structure(spec, parameters, sizes, inputs, rng)
        if drawn is None:
            faults["a unit never switches"] += 1
            continue
        screened = assess(subnetwork(spec, parameters, drawn).forward(inputs), inputs, family.kind)
        if screened.faults:
            faults.update(screened.faults)
            continue
        ticket = drop_idle_entries(spec, parameters, drawn, domain, least_effect=LEAST_EFFECT)
        network = subnetwork(spec, parameters, ticket)
        outputs = network.forward(domain)
        quality = assess(outputs, domain, family.kind)
        if quality.faults:
            faults.update(quality.faults)
            continue
        scales = _scales(outputs, family.kind)
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
        return Selection(ticket=ticket, scales=scales, gates=gates, quality=quality, draws=draw)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in faults.most_common())
    raise PlantingError(
        f"none of {MOST_DRAWS} structures drawn from {spec.label} passed: {reasons}; "
        "use other dials, more units or a larger in_degree say"
    )


def _sizes(family: TeacherFamily, spec: PerceptronSpec) -> tuple[LayerSizes, ...]:
    return family.dimensions.layers(len(spec.layers) - 1)


def _scales(outputs: Floats, kind: TaskKind) -> Floats:
    """Returns what divides the outputs (d_out,): one factor for all classes."""
    if kind is TaskKind.CLASSIFICATION:
        return np.full(outputs.shape[1], outputs.std())
    scales: Floats = outputs.std(axis=0)
    return scales

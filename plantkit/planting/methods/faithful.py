"""`faithful`: the paper's planting, exact and not hidden (arXiv 2111.11153).

Layer by layer, every target unit is matched to a mother unit of its own, up to a positive
scale; the matched parameters are overwritten by the target's, and the scale is divided out
again in the layer after. The masked network then computes the target times one positive
factor per output, untrained: a strong ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.networks.tasks import TaskKind
from plantkit.planting.family import TargetFamily
from plantkit.planting.gates import check_ticket
from plantkit.planting.initialization import draw_parameters, generator
from plantkit.planting.matching import (
    LayerRequest,
    match_as_published,
    match_least_squares,
    scale_as_published,
    scale_by_norm,
)
from plantkit.planting.methods.method import Patience, PlantingMethod, check_width
from plantkit.planting.planted import LabelSource, Planted
from plantkit.planting.simplify import simplify
from plantkit.planting.targets import Floats, Target, Ticket, subnetwork


class FaithfulMethod(PlantingMethod[TargetFamily]):
    """The paper's planting, without the slips of the published implementation."""

    name = "faithful"
    title = "the paper's: a target is written into the network; not hidden"
    hidden = False
    families = TargetFamily
    as_published = False

    def _plant(
        self, family: TargetFamily, spec: PerceptronSpec, seed: bytes, patience: Patience
    ) -> Planted:
        domain = family.domain()
        nominal = family.build(spec.depth)
        target = simplify(nominal, domain)
        check_width(spec, target.widths[1:-1], name=family.name)
        placement = place(
            target,
            spec,
            draw_parameters(spec, generator(seed, "initialization")),
            generator(seed, "matching"),
            common_scale=family.kind is TaskKind.CLASSIFICATION,
            as_published=self.as_published,
        )
        parameters, ticket = placement.parameters, placement.ticket
        network = subnetwork(spec, parameters, ticket)
        try:
            check_ticket(network, placement.output_scales, nominal, domain)
        except PlantingError as error:  # numbers that this many layers do not carry
            raise PlantingError(f"{error}; use a smaller depth", reason=error.reason) from error
        count = nominal.count
        return Planted(
            family=family.name,
            method=self.name,
            hidden=self.hidden,
            spec=spec,
            parameters=parameters,
            ticket=ticket,
            output_scales=placement.output_scales,
            labels=LabelSource.FORMULA,
            alternatives=family.alternatives(spec, parameters),
            note=f"as published, idle entries counted: density {count.density(spec):.4g}, "
            f"weights only {count.weight_density(spec):.4g}",
        )


class AsPublishedMethod(FaithfulMethod):
    """`faithful` with the slips of the published implementation, for comparison.

    Units by L1 distance, the lowest free index on a collision, unit 0 never free; a factor of
    its own for every output, classes too; exact zeros written as biases of planted units.
    """

    name = "as-published"
    title = "faithful with the slips of the published implementation"
    as_published = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Where a target went: the network's parameters, the ticket, and the output scales.

    Attributes:
        parameters: name to float64, every parameter of the mother network.
        ticket: name to bool, True at the planted entries.
        output_scales: (d_out,) positive; masked output i = scale i times the target's.
    """

    parameters: Mapping[str, Floats]
    ticket: Ticket
    output_scales: Floats


def place(
    target: Target,
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    rng: np.random.Generator,
    *,
    common_scale: bool,
    as_published: bool = False,
) -> Placement:
    """Returns the mother network's parameters with the target written into them.

    Biases of planted units whose target bias is zero stay outside of the ticket and keep
    their values, like everything else that the target does not use.

    Args:
        target: every hidden unit has at least one entry, and so has every output.
        spec: the mother network, of the target's depth, inputs and outputs, wide enough.
        parameters: name to float64; not altered.
        rng: source of the matcher's choices.
        common_scale: whether all outputs must share one scale.
        as_published: choose units and scales as the published implementation does, and set
            these biases to zero.

    Raises:
        PlantingError: the published matching has no unit left.
    """
    match = match_as_published if as_published else match_least_squares
    planted = {key: value.copy() for key, value in parameters.items()}
    ticket = {key: np.zeros(shape, dtype=bool) for key, shape in spec.shapes.items()}
    units = np.arange(spec.inputs)  # the mother units of the layer before, and their scales
    scales = np.ones(spec.inputs)
    for layer in spec.layers:
        weight, bias = planted[weight_name(layer)], planted[bias_name(layer)]
        wanted = np.column_stack([target.weights[layer] / scales, target.biases[layer]])
        candidates = np.column_stack([weight[:, units], bias])
        request = LayerRequest(layer=layer, wanted=wanted, candidates=candidates)
        if layer < spec.layers[-1]:
            chosen, scales = match(request, rng)
        else:
            chosen = np.arange(spec.outputs)
            scales = (
                scale_as_published(request)
                if as_published
                else scale_by_norm(request, common=common_scale)
            )
        values = scales[:, None] * wanted
        rows, columns = np.nonzero(wanted[:, :-1])
        weight[chosen[rows], units[columns]] = values[rows, columns]
        ticket[weight_name(layer)][chosen[rows], units[columns]] = True
        if as_published:
            bias[chosen] = 0
        with_bias = np.flatnonzero(wanted[:, -1])
        bias[chosen[with_bias]] = values[with_bias, -1]
        ticket[bias_name(layer)][chosen[with_bias]] = True
        units = chosen
    return Placement(parameters=planted, ticket=ticket, output_scales=scales)

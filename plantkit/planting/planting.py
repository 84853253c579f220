"""Planting a target into a mother network (Plant 'n' Seek, arXiv 2111.11153).

Layer by layer, every target unit is matched to a mother unit of its own, up to a positive
scale; the matched parameters are overwritten by the target's, and the scale is divided out
again in the layer after. The masked network then computes the target times one positive
factor an output, untrained: a strong ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import UsageError, WidthError
from plantkit.networks import NetworkSpec, bias_name, weight_name
from plantkit.planting.family import Family
from plantkit.planting.gates import GateReport, check_ticket, subnetwork
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.matching import (
    LayerRequest,
    OutputScaler,
    UnitMatcher,
    check_matching,
    check_scales,
    least_squares_matcher,
    norm_output_scales,
)
from plantkit.planting.simplify import Simplification, simplify
from plantkit.planting.streams import generator
from plantkit.planting.targets import EntryCount, Floats, Target
from plantkit.tasks import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """Where a target went: the network's parameters, the ticket, and the output scales.

    Attributes:
        parameters: name to float64, every parameter of the mother network.
        ticket: name to bool, True at the planted entries.
        output_scales: (d_out,) positive; masked output i = scale i times the target's.
    """

    parameters: Mapping[str, Floats]
    ticket: Mapping[str, NDArray[np.bool_]]
    output_scales: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planted:
    """A mother network with a planted ticket that has passed the gates.

    Attributes:
        family: name of the target's family.
        spec: the mother network.
        parameters: name to float64, every parameter; those outside of the ticket are the
            untouched draw of the initial law.
        ticket: name to bool, True at the planted entries.
        output_scales: (d_out,) positive; masked output i = scale i times the target's.
            In classification all of them are equal.
        target: the target as planted, in its own coordinates.
        simplification: what was left out of the nominal target.
        gates: what the gates measured.
    """

    family: str
    spec: NetworkSpec
    parameters: Mapping[str, Floats]
    ticket: Mapping[str, NDArray[np.bool_]]
    output_scales: Floats
    target: Target
    simplification: Simplification
    gates: GateReport

    @property
    def count(self) -> EntryCount:
        """Number of ticket entries."""
        return self.simplification.planted

    def masked_forward(self, inputs: Floats) -> Floats:
        """Returns the untrained ticket's outputs (n, d_out) of inputs (n, d_in), in float64."""
        masked = {
            name: np.where(self.ticket[name], value, 0) for name, value in self.parameters.items()
        }
        return Target.from_parameters(self.spec, masked).forward(inputs)


def plant(
    family: Family,
    spec: NetworkSpec,
    *,
    seed: bytes,
    matcher: UnitMatcher = least_squares_matcher,
    output_scaler: OutputScaler = norm_output_scales,
) -> Planted:
    """Returns a fresh network of `spec` with the family's target of the same depth planted.

    Args:
        family: what to plant.
        spec: the mother network; it may have different hidden widths.
        seed: keys all randomness; the same seed gives the same bytes.
        matcher: chooses the units and scales of the hidden layers.
        output_scaler: chooses the scales of the outputs.

    Raises:
        UsageError: inputs or outputs differ from the family's, or the depth is too small.
        WidthError: a hidden layer has fewer units than the target.
        PlantingError: the ticket failed a gate, or the matcher broke its contract.
    """
    if (spec.inputs, spec.outputs) != (family.inputs, family.outputs):
        raise UsageError(
            f"network {spec.label} has {spec.inputs} inputs and {spec.outputs} outputs; "
            f"target {family.name!r} needs {family.inputs} and {family.outputs}"
        )
    domain = family.domain()
    nominal = family.build(spec.depth)
    target, simplification = simplify(nominal, domain)
    placement = place(
        target,
        spec,
        draw_parameters(spec, generator(seed, "initialization")),
        generator(seed, "matching"),
        name=family.name,
        common_scale=family.kind is TaskKind.CLASSIFICATION,
        matcher=matcher,
        output_scaler=output_scaler,
    )
    ticket = subnetwork(spec, placement.parameters, placement.ticket)
    return Planted(
        family=family.name,
        spec=spec,
        parameters=placement.parameters,
        ticket=placement.ticket,
        output_scales=placement.output_scales,
        target=target,
        simplification=simplification,
        gates=check_ticket(ticket, placement.output_scales, nominal, domain),
    )


def place(
    target: Target,
    spec: NetworkSpec,
    parameters: Mapping[str, Floats],
    rng: np.random.Generator,
    *,
    name: str,
    common_scale: bool,
    matcher: UnitMatcher = least_squares_matcher,
    output_scaler: OutputScaler = norm_output_scales,
) -> Placement:
    """Returns the mother network's parameters with the target written into them.

    Biases of planted units whose target bias is zero keep their values and stay outside of
    the ticket, like everything else that the target does not use.

    Args:
        target: every hidden unit has at least one entry, and so has every output.
        spec: the mother network, of the target's depth, inputs and outputs.
        parameters: name to float64; not altered.
        rng: source of the matcher's choices.
        name: of the target, for messages.
        common_scale: whether all outputs must share one scale.
        matcher: chooses the units and scales of the hidden layers.
        output_scaler: chooses the scales of the outputs.

    Raises:
        WidthError: a hidden layer has fewer units than the target.
        PlantingError: the matcher or the scaler broke its contract.
    """
    check_widths(target, spec, name=name)
    planted = {key: value.copy() for key, value in parameters.items()}
    ticket = {key: np.zeros(shape, dtype=bool) for key, shape in spec.shapes.items()}
    units = np.arange(spec.inputs)  # the mother units of the layer before, and their scales
    scales = np.ones(spec.inputs)
    for layer in spec.layers:
        weight, bias = planted[weight_name(layer)], planted[bias_name(layer)]
        wanted = np.column_stack([target.weights[layer] / scales, target.biases[layer]])
        entries = wanted != 0
        request = LayerRequest(
            layer=layer,
            wanted=wanted,
            entries=entries,
            candidates=np.column_stack([weight[:, units], bias]),
        )
        if layer == spec.layers[-1]:
            chosen = np.arange(spec.outputs)
            scales = output_scaler(request, rng, common=common_scale)
            check_scales(request, scales)
        else:
            matching = matcher(request, rng)
            check_matching(request, matching)
            chosen, scales = matching.units, matching.scales
        values = scales[:, None] * wanted
        rows, columns = np.nonzero(entries[:, :-1])
        weight[chosen[rows], units[columns]] = values[rows, columns]
        ticket[weight_name(layer)][chosen[rows], units[columns]] = True
        with_bias = np.flatnonzero(entries[:, -1])
        bias[chosen[with_bias]] = values[with_bias, -1]
        ticket[bias_name(layer)][chosen[with_bias]] = True
        units = chosen
    return Placement(parameters=planted, ticket=ticket, output_scales=scales)


def check_widths(target: Target, spec: NetworkSpec, *, name: str) -> None:
    """Checks that every hidden layer holds the target's units.

    Raises:
        WidthError: a layer does not; hidden layers count from 1.
    """
    for layer, (needed, width) in enumerate(zip(target.widths, spec.widths, strict=True)):
        if needed > width:
            raise WidthError(layer=layer, needed=needed, width=width, target=name)


def minimum_widths(family: Family, depth: int) -> tuple[int, ...]:
    """Returns the layer widths, input first, of the narrowest network that the target fits.

    Raises:
        UsageError: the depth is too small.
    """
    target, _ = simplify(family.build(depth), family.domain())
    return target.widths

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

from plantkit.errors import WidthError
from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.family import FormulaFamily
from plantkit.planting.matching import (
    LayerRequest,
    OutputScaler,
    UnitMatcher,
    check_matching,
    check_scales,
    least_squares_matcher,
    norm_output_scales,
)
from plantkit.planting.simplify import simplify
from plantkit.planting.targets import Floats, Target


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


def place(
    target: Target,
    spec: PerceptronSpec,
    parameters: Mapping[str, Floats],
    rng: np.random.Generator,
    *,
    name: str,
    common_scale: bool,
    matcher: UnitMatcher = least_squares_matcher,
    output_scaler: OutputScaler = norm_output_scales,
    write_zero_biases: bool = False,
) -> Placement:
    """Returns the mother network's parameters with the target written into them.

    Biases of planted units whose target bias is zero stay outside of the ticket, and keep
    their values, like everything else that the target does not use.

    Args:
        target: every hidden unit has at least one entry, and so has every output.
        spec: the mother network, of the target's depth, inputs and outputs.
        parameters: name to float64; not altered.
        rng: source of the matcher's choices.
        name: of the target, for messages.
        common_scale: whether all outputs must share one scale.
        matcher: chooses the units and scales of the hidden layers.
        output_scaler: chooses the scales of the outputs.
        write_zero_biases: as the published implementation does, set these biases to zero.

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
        if write_zero_biases:
            bias[chosen] = 0
        with_bias = np.flatnonzero(entries[:, -1])
        bias[chosen[with_bias]] = values[with_bias, -1]
        ticket[bias_name(layer)][chosen[with_bias]] = True
        units = chosen
    return Placement(parameters=planted, ticket=ticket, output_scales=scales)


def check_widths(target: Target, spec: PerceptronSpec, *, name: str) -> None:
    """Checks that every hidden layer holds the target's units.

    Raises:
        WidthError: a layer does not; hidden layers count from 1.
    """
    for layer, (needed, width) in enumerate(zip(target.widths, spec.widths, strict=True)):
        if needed > width:
            raise WidthError(layer=layer, needed=needed, width=width, target=name)


def minimum_widths(family: FormulaFamily, depth: int) -> tuple[int, ...]:
    """Returns the layer widths, input first, of the narrowest network that the target fits.

    Raises:
        UsageError: the depth is too small.
    """
    target, _ = simplify(family.build(depth), family.domain())
    return target.widths

"""Which kept parameters can matter: paths, effective density, layer collapse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from plantkit.masks import Mask
from plantkit.networks import NetworkSpec, bias_name, weight_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectivity:
    """What a mask leaves connected.

    effective_density: share of all parameters that are kept and lie on a path from an input
        to an output; a bias lies on the paths of its unit. In [0, density].
    collapsed_layers: layers that keep nothing although others keep something.
    """

    effective_density: float
    collapsed_layers: int


def connectivity(spec: NetworkSpec, mask: Mask) -> Connectivity:
    """Returns the effective density and the number of collapsed layers of `mask`."""
    masks = {name: value.unsqueeze(0) for name, value in mask.items()}
    reached = _reached_from_inputs(spec, masks, biases_feed=False)
    reaching = _reaching_outputs(spec, masks)
    effective = 0
    for layer in spec.layers:
        ends = (reached[layer + 1] & reaching[layer + 1])[0]
        starts = reached[layer][0]
        weights = mask[weight_name(layer)]
        effective += int((weights & ends.unsqueeze(1) & starts.unsqueeze(0)).sum())
        effective += int((mask[bias_name(layer)] & ends).sum())
    kept = [
        int(mask[weight_name(layer)].sum()) + int(mask[bias_name(layer)].sum())
        for layer in spec.layers
    ]
    return Connectivity(
        effective_density=effective / spec.total,
        collapsed_layers=sum(count == 0 for count in kept) if any(kept) else 0,
    )


def trainable_units(spec: NetworkSpec, masks: dict[str, Tensor]) -> list[Tensor]:
    """Returns the hidden units that can be anything but idle, a (runs, units) bool a layer.

    A hidden unit is idle when no kept path leads from it to an output, so that its
    parameters get no gradient, or when neither an input nor a kept bias reaches it, so that
    its value is zero. Cutting idle units changes neither the function nor its training.

    Args:
        masks: name to (runs, *shape) bool.
    """
    reached = _reached_from_inputs(spec, masks, biases_feed=True)
    reaching = _reaching_outputs(spec, masks)
    return [reached[layer] & reaching[layer] for layer in range(1, spec.depth - 1)]


def _reached_from_inputs(
    spec: NetworkSpec, masks: dict[str, Tensor], *, biases_feed: bool
) -> list[Tensor]:
    """Units (runs, units) a neuron layer that an input, or also a kept bias, leads to."""
    runs = masks[weight_name(0)].shape[0]
    reached = [torch.ones(runs, spec.inputs, dtype=torch.bool)]
    for layer in spec.layers:
        weights = masks[weight_name(layer)]
        units = (weights & reached[-1].unsqueeze(1)).any(dim=2)
        if biases_feed:
            units = units | masks[bias_name(layer)]
        reached.append(units)
    return reached


def _reaching_outputs(spec: NetworkSpec, masks: dict[str, Tensor]) -> list[Tensor]:
    """Units (runs, units) a neuron layer from which a kept path leads to an output."""
    runs = masks[weight_name(0)].shape[0]
    reaching = [torch.ones(runs, spec.outputs, dtype=torch.bool)]
    for layer in reversed(spec.layers):
        weights = masks[weight_name(layer)]
        reaching.append((weights & reaching[-1].unsqueeze(2)).any(dim=1))
    return reaching[::-1]

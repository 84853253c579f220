"""Which units of perceptrons a mask leaves idle."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks.network import Network, bias_name, weight_name


def reached_units(spec: Network, masks: Mapping[str, Tensor], *, biases_feed: bool) -> list[Tensor]:
    """Returns the units (runs, units) of each layer that an input, or a kept bias, leads to.

    Args:
        masks: name to (runs, *shape) bool.
        biases_feed: whether a kept bias counts like an input.
    """
    runs = masks[weight_name(0)].shape[0]
    reached = [torch.ones(runs, spec.inputs, dtype=torch.bool)]
    for layer in spec.layers:
        units = (masks[weight_name(layer)] & reached[-1].unsqueeze(1)).any(dim=2)
        reached.append(units | masks[bias_name(layer)] if biases_feed else units)
    return reached


def reaching_units(spec: Network, masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the units (runs, units) of each layer from which a kept path leads to an output."""
    runs = masks[weight_name(0)].shape[0]
    reaching = [torch.ones(runs, spec.outputs, dtype=torch.bool)]
    for layer in reversed(spec.layers):
        weights = masks[weight_name(layer)]
        reaching.append((weights & reaching[-1].unsqueeze(2)).any(dim=1))
    return reaching[::-1]


def trainable_units(spec: Network, masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the hidden units that are not idle, one (runs, units) bool for each hidden layer.

    A hidden unit is idle when no kept path leads from it to an output, so that its
    parameters get no gradient, or when neither an input nor a kept bias reaches it, so that
    its value is zero. Cutting idle units changes neither the function nor its training.

    Args:
        masks: name to (runs, *shape) bool.
    """
    reached = reached_units(spec, masks, biases_feed=True)
    reaching = reaching_units(spec, masks)
    return [reached[layer] & reaching[layer] for layer in spec.layers[1:]]


def alive_first(alive: Tensor, width: int) -> Tensor:
    """Returns the indices (runs, width) of the units that are `alive`, in order, then -1."""
    ordered = torch.sort(alive.int(), dim=1, descending=True, stable=True)
    indices = torch.where(ordered.values.bool(), ordered.indices, -1)
    return functional.pad(indices, (0, width - indices.shape[1]), value=-1)

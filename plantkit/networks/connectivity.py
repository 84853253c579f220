"""Which kept parameters can matter: paths, effective density, layer collapse."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from plantkit.networks import Network, PerceptronSpec, bias_name, weight_name
from plantkit.networks.masks import Mask
from plantkit.networks.perceptron import reached_units, reaching_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectivity:
    """What a mask leaves connected.

    effective_density: share of all parameters that are kept and lie on a path from an input
        to an output; a bias lies on the paths of its unit. In [0, density].
    collapsed_layers: layers that keep nothing although others keep something.
    """

    effective_density: float
    collapsed_layers: int


def connectivity(network: Network, mask: Mask) -> Connectivity:
    """Returns the effective density and the number of collapsed layers of `mask`."""
    effective = sum(int(value.sum()) for value in network.connected(mask).values())
    kept = [
        int(mask[weight_name(layer)].sum()) + int(mask[bias_name(layer)].sum())
        for layer in network.layers
    ]
    return Connectivity(
        effective_density=effective / network.total,
        collapsed_layers=sum(count == 0 for count in kept) if any(kept) else 0,
    )


def trainable_units(spec: PerceptronSpec, masks: dict[str, Tensor]) -> list[Tensor]:
    """Returns the hidden units that can be anything but idle, a (runs, units) bool a layer.

    A hidden unit is idle when no kept path leads from it to an output, so that its
    parameters get no gradient, or when neither an input nor a kept bias reaches it, so that
    its value is zero. Cutting idle units changes neither the function nor its training.

    Args:
        masks: name to (runs, *shape) bool.
    """
    reached = reached_units(spec, masks, biases_feed=True)
    reaching = reaching_units(spec, masks)
    return [reached[layer] & reaching[layer] for layer in range(1, spec.depth - 1)]

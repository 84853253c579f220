"""What a mask leaves connected: effective density and layer collapse."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from plantkit.networks.masks import Mask
from plantkit.networks.network import Network, layer_of


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
    kept: Counter[str] = Counter()
    for name in network.shapes:
        kept[layer_of(name)] += int(mask[name].sum())
    counts = list(kept.values())
    return Connectivity(
        effective_density=effective / network.total,
        collapsed_layers=counts.count(0) if any(counts) else 0,
    )

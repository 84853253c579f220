"""Masks of the lottery-ticket studies: iterative magnitude pruning of weights, level by level.

Level r is what r rounds leave, each of which prunes a share of every layer by the kind of layer.
All biases are kept, as in the papers. Global pruning leaves as many weights as layerwise pruning,
wherever they are.

References:
    arXiv 1803.03635, section 2 and figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from plantkit.networks import Network, weight_name
from plantkit.pruners.budgets import Scope
from plantkit.pruners.selection import select


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of a layer's weights that a round prunes, by the kind of layer.

    A layer whose share is zero is never pruned.
    """

    convolutions: float = 0.0
    linear: float = 0.2
    outputs: float = 0.1

    def of(self, network: Network) -> dict[str, float]:
        """Returns the share of each layer, by the name of its weights."""
        *names, last = weight_names(network)
        shares = {
            name: self.convolutions if len(network.shapes[name]) > 2 else self.linear
            for name in names
        }
        return {**shares, last: self.outputs}


def weight_names(network: Network) -> list[str]:
    """Returns the names of the weights, biases left out, from the first layer to the last."""
    return [weight_name(layer) for layer in network.layers]


def share_left(network: Network, mask: Mapping[str, Tensor]) -> float:
    """Returns the share of weights, biases not counted, that `mask` keeps, in [0, 1]."""
    names = weight_names(network)
    kept = sum(int(mask[name].sum()) for name in names)
    return kept / sum(network.sizes[name] for name in names)


def weights_kept(network: Network, level: int, rates: Rates) -> dict[str, int]:
    """Returns how many weights each layer keeps at `level` when pruned layerwise."""
    sizes = network.sizes
    return {
        name: round(sizes[name] * (1 - share) ** level) for name, share in rates.of(network).items()
    }


def pruned(
    network: Network,
    mask: Mapping[str, Tensor],
    trained: Mapping[str, Tensor],
    level: int,
    scope: Scope,
    rates: Rates,
) -> dict[str, Tensor]:
    """Returns the mask of `level`: it keeps the weights of `mask` with the largest magnitudes.

    mask: of an earlier level. trained: name to tensor, as trained under `mask`.
    """
    shares = rates.of(network)
    every = weights_kept(network, level, rates)
    kept = {name: count for name, count in every.items() if shares[name] > 0}
    # A weight that is pruned already ranks below all others, so it never comes back.
    saliency = {
        name: torch.where(mask[name], trained[name].abs(), torch.full((), -1.0)) for name in kept
    }
    if scope is Scope.GLOBAL:
        chosen = dict(select(saliency, sum(kept.values())))
    else:
        chosen = {name: select({name: saliency[name]}, count)[name] for name, count in kept.items()}
    return {name: chosen.get(name, mask[name]) for name in network.shapes}


def shuffled(network: Network, mask: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Returns a random mask that keeps as many weights of each layer as `mask` does."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name in network.shapes:
        entries = mask[name].reshape(-1)
        order = torch.randperm(len(entries), generator=generator)
        found[name] = entries[order].reshape(mask[name].shape)
    return found

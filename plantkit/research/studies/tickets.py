"""Masks of the lottery-ticket studies: iterative magnitude pruning of weights, level by level.

Level r leaves the share 0.8^r of all weights, as r rounds that each prune 20% do. All biases are
kept, as in the papers. Layerwise pruning leaves 0.9^r of the output layer and prunes all other
layers alike, so that the total is the same as for global pruning.

References:
    arXiv 1803.03635, section 2 and appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from plantkit.networks import Network, weight_name
from plantkit.pruners.budgets import Scope, apportion
from plantkit.pruners.selection import select

#: Share of the weights that a round leaves, and of the output layer's weights, layerwise.
_LEFT = 0.8
_LEFT_OF_OUTPUTS = 0.9


def weight_names(network: Network) -> list[str]:
    """Returns the names of the weights, biases left out, from the first layer to the last."""
    return [weight_name(layer) for layer in network.layers]


def share_left(network: Network, mask: Mapping[str, Tensor]) -> float:
    """Returns the share of weights, biases not counted, that `mask` keeps, in [0, 1]."""
    names = weight_names(network)
    kept = sum(int(mask[name].sum()) for name in names)
    return kept / sum(network.sizes[name] for name in names)


def weights_kept(network: Network, level: int) -> dict[str, int]:
    """Returns how many weights each layer keeps at `level` when pruned layerwise.

    Their sum is 0.8^level of all weights, rounded; hidden layers share by largest remainder.
    """
    names = weight_names(network)
    sizes = [network.sizes[name] for name in names]
    total = round(sum(sizes) * _LEFT**level)
    last = min(round(sizes[-1] * _LEFT_OF_OUTPUTS**level), total)
    hidden = sizes[:-1]
    parts = apportion(min(total - last, sum(hidden)), hidden)
    return dict(zip(names, [*parts, total - sum(parts)], strict=True))


def pruned(
    network: Network,
    mask: Mapping[str, Tensor],
    trained: Mapping[str, Tensor],
    level: int,
    scope: Scope,
) -> dict[str, Tensor]:
    """Returns the mask of `level`: it keeps the weights of `mask` with the largest magnitudes.

    mask: of an earlier level. trained: name to tensor, as trained under `mask`.
    """
    kept = weights_kept(network, level)
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

"""From saliencies to a mask that keeps an exact number of parameters."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import torch
from torch import Tensor

from plantkit.masks import Mask
from plantkit.networks import layer_of


class Scope(enum.StrEnum):
    """Where parameters compete: in the whole network, or each in its own layer."""

    GLOBAL = "global"
    LAYERWISE = "layerwise"


def select(
    saliency: Mapping[str, Tensor], budget: int, *, scope: Scope | str = Scope.GLOBAL
) -> Mask:
    """Returns the mask of the `budget` parameters of highest saliency.

    Exactly `budget` parameters are kept; among equal saliencies those that come first in the
    order of `saliency` are kept. With layerwise scope every layer (weights and biases
    together) keeps the same share of its parameters, rounded by largest remainder so that
    the total is still `budget`.

    Args:
        saliency: name to float tensor; higher is more important, infinities are allowed.
        budget: parameters to keep, from 0 to all of them.

    Raises:
        ValueError: a saliency is NaN, `budget` is out of range, or an unknown scope.
    """
    for name, value in saliency.items():
        if bool(torch.isnan(value).any()):
            raise ValueError(f"saliency of {name!r} holds NaN; expected numbers")
    total = sum(value.numel() for value in saliency.values())
    if not 0 <= budget <= total:
        raise ValueError(f"budget is {budget}; expected 0 to {total}")
    if Scope(scope) is Scope.GLOBAL:
        kept = _keep_highest(saliency, budget)
    else:
        layers: dict[str, list[str]] = {}
        for name in saliency:
            layers.setdefault(layer_of(name), []).append(name)
        sizes = [sum(saliency[name].numel() for name in names) for names in layers.values()]
        kept = {}
        for names, share in zip(layers.values(), apportion(budget, sizes), strict=True):
            kept |= _keep_highest({name: saliency[name] for name in names}, share)
    return Mask({name: kept[name] for name in saliency}, saliency=saliency)


def apportion(budget: int, sizes: list[int]) -> list[int]:
    """Returns `budget` divided in proportion to `sizes`, by largest remainder.

    The parts sum to `budget` and none exceeds its size; equal remainders go to the first.
    """
    total = sum(sizes)
    parts = [budget * size // total for size in sizes]
    remainders = [budget * size % total for size in sizes]
    order = sorted(range(len(sizes)), key=lambda index: (-remainders[index], index))
    for index in order[: budget - sum(parts)]:
        parts[index] += 1
    return parts


def _keep_highest(saliency: Mapping[str, Tensor], budget: int) -> dict[str, Tensor]:
    vector = torch.cat([value.detach().reshape(-1) for value in saliency.values()])
    if vector.dtype == torch.bool:
        vector = vector.byte()
    if budget == 0:
        kept = torch.zeros(vector.numel(), dtype=torch.bool)
    else:
        # The least saliency that is kept; much cheaper to find than the order of all of them.
        least = torch.kthvalue(vector, vector.numel() - budget + 1).values
        kept = vector > least
        equal = torch.nonzero(vector == least).squeeze(1)
        kept[equal[: budget - int(kept.sum())]] = True
    pieces = torch.split(kept, [value.numel() for value in saliency.values()])
    return {
        name: piece.reshape(value.shape)
        for (name, value), piece in zip(saliency.items(), pieces, strict=True)
    }

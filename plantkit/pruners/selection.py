"""From saliencies to a mask that keeps an exact number of parameters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from plantkit.networks.masks import Mask
from plantkit.pruners.budgets import Scope, divide


def select(
    saliency: Mapping[str, Tensor], budget: int, *, scope: Scope | str = Scope.GLOBAL
) -> Mask:
    """Returns the mask of the `budget` parameters of highest saliency.

    Exactly `budget` parameters are kept. Among equal saliencies those that come first in the
    order of `saliency` are kept. With any but the global scope every layer (weights and biases
    together) keeps the number that `budgets.divide` gives it.

    Args:
        saliency: name to float tensor; higher is more important, infinities are allowed.
        budget: parameters to keep, from 0 to all of them.

    Raises:
        ValueError: a saliency is NaN, `budget` is out of range, or an unknown scope.
    """
    everything = {
        name: torch.ones(value.shape, dtype=torch.bool) for name, value in saliency.items()
    }
    return narrow(everything, saliency, budget, final=budget, scope=scope)


def narrow(
    mask: Mapping[str, Tensor],
    saliency: Mapping[str, Tensor],
    budget: int,
    *,
    final: int,
    scope: Scope | str = Scope.GLOBAL,
) -> Mask:
    """Returns the `budget` parameters of highest saliency among those that `mask` keeps.

    This is one round of several; no parameter comes back. Every layer keeps at least what it
    will keep at the end, when `final` parameters are left. With budgets by layer a round may
    therefore keep a few more than `budget`; it keeps exactly `budget` where that is `final`.

    Args:
        mask: what earlier rounds kept, by the same scope and towards the same `final`.
        final: parameters that the last round will keep, at most `budget`.

    Raises:
        ValueError: a saliency is NaN, budgets that `mask` cannot fill, or an unknown scope.
    """
    for name, value in saliency.items():
        if bool(torch.isnan(value).any()):
            raise ValueError(f"saliency of {name!r} holds NaN; expected numbers")
    shapes = {name: tuple(value.shape) for name, value in saliency.items()}
    shares = divide(shapes, budget, scope)
    if not 0 <= final <= budget:
        raise ValueError(f"final is {final}; expected 0 to the budget, {budget}")
    at_the_end = shares if final == budget else divide(shapes, final, scope)
    kept: dict[str, Tensor] = {}
    for share, last in zip(shares, at_the_end, strict=True):
        names = share.names
        places = torch.cat([mask[name].reshape(-1) for name in names]).nonzero().squeeze(1)
        left = len(places)
        if left < last.budget:
            raise ValueError(
                f"the mask keeps {left} of {', '.join(names)}; expected at least {last.budget}"
            )
        vector = torch.cat([saliency[name].detach().reshape(-1) for name in names])
        chosen = torch.zeros(len(vector), dtype=torch.bool)
        chosen[places] = _highest(vector[places], min(left, max(share.budget, last.budget)))
        pieces = torch.split(chosen, [saliency[name].numel() for name in names])
        kept |= {
            name: piece.reshape(shapes[name]) for name, piece in zip(names, pieces, strict=True)
        }
    return Mask({name: kept[name] for name in saliency}, saliency=saliency)


def _highest(vector: Tensor, budget: int) -> Tensor:
    """Returns which `budget` entries (n,) bool of `vector` are largest, the first among equals."""
    if budget == 0:
        return torch.zeros(vector.numel(), dtype=torch.bool)
    if vector.dtype == torch.bool:
        vector = vector.byte()
    # The least saliency that is kept; much cheaper to find than the order of all of them.
    least = torch.kthvalue(vector, vector.numel() - budget + 1).values
    kept = vector > least
    equal = torch.nonzero(vector == least).squeeze(1)
    kept[equal[: budget - int(kept.sum())]] = True
    return kept

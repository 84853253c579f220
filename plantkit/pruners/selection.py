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

    Exactly `budget` parameters are kept; among equal saliencies those that come first in the
    order of `saliency` are kept. With any but the global scope every layer (weights and biases
    together) keeps the number that `budgets.divide` gives it.

    Args:
        saliency: name to float tensor; higher is more important, infinities are allowed.
        budget: parameters to keep, from 0 to all of them.

    Raises:
        ValueError: a saliency is NaN, `budget` is out of range, or an unknown scope.
    """
    _refuse_nan(saliency)
    kept: dict[str, Tensor] = {}
    for share in divide(_shapes(saliency), budget, scope):
        kept |= _keep_highest({name: saliency[name] for name in share.names}, share.budget)
    return Mask({name: kept[name] for name in saliency}, saliency=saliency)


def narrow(
    mask: Mapping[str, Tensor],
    saliency: Mapping[str, Tensor],
    budget: int,
    *,
    final: int,
    scope: Scope | str = Scope.GLOBAL,
) -> Mask:
    """Returns the `budget` parameters of highest saliency among those that `mask` keeps.

    One round of several: no parameter comes back. No layer is left with less than it keeps at
    the end, when `final` parameters are left, so that with budgets by layer a round may keep
    a few more than `budget`; with `budget` equal to `final` it keeps exactly that many.

    Args:
        mask: what earlier rounds kept, by the same scope and towards the same `final`.
        final: parameters that the last round will keep, at most `budget`.

    Raises:
        ValueError: a saliency is NaN, budgets that `mask` cannot fill, or an unknown scope.
    """
    _refuse_nan(saliency)
    if not 0 <= final <= budget:
        raise ValueError(f"final is {final}; expected 0 to the budget, {budget}")
    shapes = _shapes(saliency)
    kept: dict[str, Tensor] = {}
    for share, last in zip(
        divide(shapes, budget, scope), divide(shapes, final, scope), strict=True
    ):
        names = share.names
        left = sum(int(mask[name].sum()) for name in names)
        if left < last.budget:
            raise ValueError(
                f"the mask keeps {left} of {', '.join(names)}; expected at least {last.budget}"
            )
        kept |= _keep_highest(
            {name: saliency[name] for name in names},
            min(left, max(share.budget, last.budget)),
            among={name: mask[name] for name in names},
        )
    return Mask({name: kept[name] for name in saliency}, saliency=saliency)


def _refuse_nan(saliency: Mapping[str, Tensor]) -> None:
    for name, value in saliency.items():
        if bool(torch.isnan(value).any()):
            raise ValueError(f"saliency of {name!r} holds NaN; expected numbers")


def _shapes(saliency: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in saliency.items()}


def _keep_highest(
    saliency: Mapping[str, Tensor], budget: int, *, among: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    vector = torch.cat([value.detach().reshape(-1) for value in saliency.values()])
    if vector.dtype == torch.bool:
        vector = vector.byte()
    if among is None:
        kept = _highest(vector, budget)
    else:
        places = torch.cat([among[name].reshape(-1) for name in saliency]).nonzero().squeeze(1)
        kept = torch.zeros(vector.numel(), dtype=torch.bool)
        kept[places] = _highest(vector[places], budget)
    pieces = torch.split(kept, [value.numel() for value in saliency.values()])
    return {
        name: piece.reshape(value.shape)
        for (name, value), piece in zip(saliency.items(), pieces, strict=True)
    }


def _highest(vector: Tensor, budget: int) -> Tensor:
    """Returns which `budget` entries (n,) bool of `vector` are largest, the first among equals."""
    if budget == 0:
        return torch.zeros(vector.numel(), dtype=torch.bool)
    # The least saliency that is kept; much cheaper to find than the order of all of them.
    least = torch.kthvalue(vector, vector.numel() - budget + 1).values
    kept = vector > least
    equal = torch.nonzero(vector == least).squeeze(1)
    kept[equal[: budget - int(kept.sum())]] = True
    return kept

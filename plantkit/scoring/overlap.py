"""How much of the ticket a mask has found.

Recall says how much of the ticket a mask keeps, whatever else it keeps. Here every entry counts by
the digits that its removal costs, and recall is corrected for guessing: (hits - false alarms) /
(1 - false alarms), both as rates. This is Abbott's formula; skill scores of forecasts are alike.
A mask that knows a share of the ticket, and guesses the rest, gets that share on average. Guesses
are counted in every parameter by itself, so that keeping a layer whole earns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from plantkit.challenges.costs import RemovalCosts
from plantkit.networks.masks import Mask
from plantkit.scoring.score import recovered_digits


def found_share(mask: Mask, ticket: Mask, costs: Mapping[str, Tensor]) -> float:
    """Returns the share of `ticket` that `mask` found and did not guess, in [0, 1].

    It is 1 for a mask that keeps the ticket, however many more it keeps, and about 0 for a random
    one. A parameter that the mask or the ticket keeps whole tells nothing and is left out; if that
    leaves nothing, the share is 0.

    Args:
        mask, ticket: of the same names and shapes.
        costs: name to tensor of the parameter's shape, zero or more: what an entry's removal
            costs. Only those of the ticket's entries are read. If all of these are zero, the
            entries count alike.
    """
    weights = {name: costs[name].double() * entries for name, entries in ticket.items()}
    if not any(bool(weight.any()) for weight in weights.values()):
        weights = {name: entries.double() for name, entries in ticket.items()}
    missed = missed_by_guessing = 0.0
    for name, weight in weights.items():
        outside = ~ticket[name]
        if outside.any():
            left_out = ~mask[name]
            missed += float((weight * left_out).sum())
            correct = int((left_out & outside).sum()) / int(outside.sum())
            missed_by_guessing += float(weight.sum()) * correct
    if missed_by_guessing == 0:
        return 0.0
    return max(0.0, 1.0 - missed / missed_by_guessing)


def digits_lost(costs: RemovalCosts, *, resolution: float) -> dict[str, Tensor]:
    """Returns the share of the ticket's digits that each removal costs, in the shape of `costs`.

    Args:
        resolution: see `recovered_digits`.
    """

    def lost(share: float) -> float:
        accuracy = costs.ticket - share * (costs.ticket - costs.trivial)
        return 1 - recovered_digits(
            accuracy, trivial=costs.trivial, ticket=costs.ticket, resolution=resolution
        )

    found = {name: shares.clone() for name, shares in costs.shares.items()}
    for shares in found.values():
        costly = shares > 0
        shares[costly] = shares.new_tensor([lost(share) for share in shares[costly].tolist()])
    return found

"""How much of the ticket a mask has found.

Recall says how much of the ticket a mask keeps, whatever else it keeps. Here every entry counts by
the digits that its removal costs, and false alarms are taken off: the hit rate less the false-alarm
rate, which forecasters call the Peirce skill score, and others Youden's J. Both rates are counted
in every parameter by itself. So guessing earns nothing on average wherever it is done, and keeping
a layer whole earns nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from plantkit.challenges.costs import RemovalCosts
from plantkit.networks.masks import Mask
from plantkit.scoring.score import recovered_digits


def found_share(mask: Mask, ticket: Mask, costs: Mapping[str, Tensor]) -> float:
    """Returns the share of `ticket` that `mask` found and did not guess, in [0, 1].

    It is 1 for the ticket, and about 0 for a random mask. A mask that knows a share of the ticket
    and keeps others at random has that share, times the share of the others that it lacks. A
    parameter that the ticket keeps whole tells nothing and is left out; if that leaves nothing, the
    share is 0.

    Args:
        mask, ticket: of the same names and shapes.
        costs: name to tensor of the parameter's shape, zero or more: what an entry's removal
            costs. Only those of the ticket's entries are read. If all of these are zero, the
            entries count alike.
    """
    weights = {name: costs[name].double() * entries for name, entries in ticket.items()}
    if not any(bool(weight.any()) for weight in weights.values()):
        weights = {name: entries.double() for name, entries in ticket.items()}
    found = whole = 0.0
    for name, weight in weights.items():
        outside = ~ticket[name]
        if outside.any():
            false_alarms = int((mask[name] & outside).sum()) / int(outside.sum())
            found += float((weight * mask[name]).sum()) - false_alarms * float(weight.sum())
            whole += float(weight.sum())
    return min(1.0, max(0.0, found / whole)) if whole > 0 else 0.0


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

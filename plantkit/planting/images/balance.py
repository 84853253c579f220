"""What keeps the sums of weights, and the places of kernels, from telling a ticket.

A channel of a ReLU network is rarely alive if its weights are mostly negative, so of entries that
do something more are positive. Whoever sums up the weights that lead into or out of a channel
would see that. So a ticket has as many positive entries as negative ones in each layer, and the
entries around it are moved a little, so that every line's sum is the one that was drawn.
In small maps the middle of a kernel does more than its corners, so there each place of the kernels
has as many entries.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from plantkit.networks.steps import Placed
from plantkit.planting.targets import Floats

#: Typical change of an entry outside the ticket, in initial standard deviations, at which a line
#: is left alone: the change would show more than the line's sum does.
MOST_CHANGE = 0.1
#: Rounds in turn over rows and columns; the rest is far below what could be seen.
_ROUNDS = 20


def places_that_tell(placed: Placed) -> int:
    """Returns how many places of a layer's kernels must have equal shares; 1 if none need to.

    A kernel that is larger than the map that it makes meets, at its corners, little but padding. An
    entry in its middle then does more, so tickets would have more entries there.
    """
    kernel = math.prod(placed.shape[2:])
    return kernel if kernel > math.prod(placed.size[1:]) else 1


def evenly(
    useful: NDArray[np.bool_],
    values: Floats,
    sensitivities: Floats,
    wanted: int,
    *,
    places: int = 1,
) -> NDArray[np.bool_]:
    """Returns about `wanted` of a layer's useful entries: the most sensitive of each kind.

    A kind is a sign at a place of kernels. Each place has the same share; what one cannot fill is
    left to those that can. At each place, both signs have as many.

    Args:
        useful: (out, in, ...) bool.
        values, sensitivities: of its shape.
        places: of a kernel, if its places are told apart.
    """
    here, value = useful.reshape(-1, places), values.reshape(-1, places)
    signs = [here & (value > 0), here & (value < 0)]
    pairs = np.minimum(*(sign.sum(axis=0) for sign in signs))
    kept = np.zeros_like(here)
    left = wanted // 2
    for rank, place in enumerate(np.argsort(pairs, kind="stable")):
        each = min(left // (places - rank), int(pairs[place]))
        left -= each
        for sign in signs:
            size = np.where(sign, sensitivities.reshape(-1, places), -np.inf)[:, place]
            kept[np.argsort(-size, kind="stable")[:each], place] = True
    return kept.reshape(useful.shape)


def with_sums_of(drawn: Floats, written: Floats, ticket: NDArray[np.bool_]) -> Floats:
    """Returns `written` with entries outside the ticket changed, so that lines sum up as drawn.

    The change is the smallest one. Rows and columns with too few entries outside of the ticket
    are left alone: of the others, the sums without these are kept.

    Args:
        drawn: (out, in, ...) weights before the ticket was written.
        written: the same with the ticket's entries in their places.
        ticket: True at these.
    """
    rows_and_columns = tuple(range(1, ticket.ndim)), (0, *range(2, ticket.ndim))
    few = np.zeros_like(ticket)
    for axes in rows_and_columns:
        taken = ticket.sum(axis=axes, keepdims=True)
        # A ticket's k entries were k drawn ones before: both sums have a variance of k.
        few |= np.sqrt(2 * taken) > MOST_CHANGE * (ticket.size // taken.size - taken)
    free = ~ticket & ~few
    lost = np.where(few, 0.0, drawn - written)
    change = np.zeros_like(lost)
    for _ in range(_ROUNDS):
        for axes in rows_and_columns:
            missing = (lost - change).sum(axis=axes, keepdims=True)
            change += free * missing / np.maximum(free.sum(axis=axes, keepdims=True), 1)
    return written + change

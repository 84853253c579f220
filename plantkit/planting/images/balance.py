"""What keeps the sums of weights from telling a ticket.

A channel of a ReLU network is rarely alive if its weights are mostly negative, so of entries that
do something more are positive. Whoever sums up the weights that lead into or out of a channel
would see that. So a ticket has as many positive entries as negative ones in each layer, and the
entries around it are moved a little, so that every line's sum is the one that was drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plantkit.planting.targets import Floats

#: Typical change of an entry outside the ticket, in initial standard deviations, at which a line
#: keeps the sum that it has: it would show more than the sum does.
MOST_CHANGE = 0.1
#: Rounds in turn over rows and columns; the rest is far below what could be seen.
_ROUNDS = 20


def half_positive(
    useful: NDArray[np.bool_], values: Floats, sensitivities: Floats, wanted: int
) -> NDArray[np.bool_]:
    """Returns the `wanted` most sensitive of a layer's useful entries, half of them positive.

    There are fewer where one sign has too few useful ones.
    """
    kept = np.zeros_like(useful)
    signs = [useful & (values > 0), useful & (values < 0)]
    each = min(wanted // 2, *(int(sign.sum()) for sign in signs))
    for sign in signs:
        order = np.argsort(np.where(sign, -sensitivities, np.inf), axis=None, kind="stable")
        kept.flat[order[:each]] = True
    return kept


def with_sums_of(drawn: Floats, written: Floats, ticket: NDArray[np.bool_]) -> Floats:
    """Returns `written` with entries outside the ticket changed, so that lines sum up as drawn.

    The change is the smallest one. A line in which too few entries lie outside of the ticket
    keeps its sum.

    Args:
        drawn: (out, in, ...) weights before the ticket was written.
        written: the same with the ticket's entries in their places.
        ticket: True at these.
    """
    free, lost = ~ticket, drawn - written
    change = np.zeros_like(lost)
    lines = [
        (axes, _shares(ticket, axes))
        for axes in (tuple(range(1, lost.ndim)), (0, *range(2, lost.ndim)))
    ]
    for _ in range(_ROUNDS):
        for axes, shares in lines:
            change += free * shares * (lost - change).sum(axis=axes, keepdims=True)
    return written + change


def _shares(ticket: NDArray[np.bool_], axes: tuple[int, ...]) -> Floats:
    """Returns what share of a line's change each of its free entries takes; 0 if too few are."""
    taken = ticket.sum(axis=axes, keepdims=True)
    free = (~ticket).sum(axis=axes, keepdims=True)
    # A ticket's k entries were k drawn ones before: both sums have a variance of k.
    few = np.sqrt(2 * taken) > MOST_CHANGE * free
    return np.where(few, 0.0, 1 / np.maximum(free, 1))

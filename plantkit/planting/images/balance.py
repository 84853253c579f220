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
#: is left alone: the change would show more than the line's sum does.
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

"""Values that are equal, and rows that are parallel or proportional: seldom so by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plantkit.planting.targets import Floats

REPEAT_TOLERANCE = 1e-6
"""Values that differ by less, relatively, count as repeated; float32 resolves 1e-7."""

MOST_PARTNERS = 128
"""Each row is compared with this many neighbours for proportionality, and with all if fewer."""


def repeats(values: Floats) -> NDArray[np.int64]:
    """Returns how many other entries of `values` (n,) have the same magnitude, to 1e-6 relative.

    Exact zeros are not counted: they are a feature of their own.
    """
    magnitudes = np.abs(values)
    ordered = np.sort(magnitudes)
    low = np.searchsorted(ordered, magnitudes * (1 - REPEAT_TOLERANCE), side="left")
    high = np.searchsorted(ordered, magnitudes * (1 + REPEAT_TOLERANCE), side="right")
    counts: NDArray[np.int64] = np.where(magnitudes == 0, 0, high - low - 1)
    return counts


def parallelism(rows: Floats) -> Floats:
    """Returns each row's largest |cosine| with another row, (n,), of rows (n, d)."""
    unit = quotient(rows, np.linalg.norm(rows, axis=1, keepdims=True))
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0)
    largest: Floats = cosines.max(axis=1, initial=0)
    return largest


def shared_ratios(rows: Floats) -> NDArray[np.int64]:
    """Returns, for every entry of rows (n, d), in how many coincidences of ratios it takes part.

    A coincidence: for two rows a and b, |a_i / b_i| equals |a_j / b_j| to 1e-6 relative. Rows
    that are proportional on some of their entries have many; independent draws have almost none.
    Each row is compared with its `MOST_PARTNERS` neighbours, which is all of them in layers that
    are no wider.
    """
    count = rows.shape[0]
    counts = np.zeros(rows.shape, dtype=np.int64)
    magnitudes = np.abs(rows)
    for shift in range(1, min(count // 2, MOST_PARTNERS) + 1):
        # At half the height a shift meets every pair twice.
        first = np.arange(count // 2 if 2 * shift == count else count)
        second = (first + shift) % count
        ratios = quotient(magnitudes[first], magnitudes[second])
        ordered = np.sort(ratios, axis=1)
        near = np.diff(ordered, axis=1) <= REPEAT_TOLERANCE * ordered[:, 1:]
        near &= ordered[:, :-1] > 0
        hit = np.flatnonzero(near.any(axis=1))
        order = np.argsort(ratios[hit], axis=1)
        for place in (order[:, :-1], order[:, 1:]):
            pair, position = np.nonzero(near[hit])
            columns = place[pair, position]
            np.add.at(counts, (first[hit[pair]], columns), 1)
            np.add.at(counts, (second[hit[pair]], columns), 1)
    return counts


def quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Returns the quotient, 0 where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    quotient: Floats = np.divide(
        numerator, denominator, out=np.zeros(shape), where=denominator != 0
    )
    return quotient

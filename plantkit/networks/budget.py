"""How much a mask may keep."""

from __future__ import annotations

import math


def budget_of(density: float, total: int) -> int:
    """Returns the most parameters that a mask of `density` may keep: floor(density x total).

    A density that was itself computed as kept/total gives `kept` back exactly.

    Raises:
        ValueError: density outside (0, 1].
    """
    if not 0.0 < density <= 1.0:
        raise ValueError(f"density is {density}; expected a number in (0, 1]")
    product = density * total
    nearest = round(product)
    return nearest if math.isclose(product, nearest, rel_tol=1e-12) else math.floor(product)

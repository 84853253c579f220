"""How well a masked network does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracies:
    """Test accuracy or R² of one masked network: untrained, and after the fixed recipe."""

    strong: float
    weak: float

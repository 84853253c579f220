"""Metrics that plugins add to every record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from plantkit.networks import Network
    from plantkit.networks.masks import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a metric sees of one scored mask.

    strong, weak: test accuracy (R² in regression), untrained and trained.
    """

    network: Network
    mask: Mask
    ticket: Mask
    strong: float
    weak: float


class Metric(Protocol):
    """A number computed for every valid mask. Runs with the truth in reach: installed plugins
    only, never submissions."""

    @property
    def name(self) -> str: ...

    def compute(self, evidence: Evidence) -> float: ...

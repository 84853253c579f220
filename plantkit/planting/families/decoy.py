"""`decoy`: a wave, and another one in the same network that no label depends on."""

from __future__ import annotations

from dataclasses import dataclass

from plantkit.planting.families.sine import SineFamily
from plantkit.planting.family import dial


@dataclass(frozen=True, kw_only=True)
class DecoyFamily(SineFamily):
    """A `sine`, and further parts of the network that compute other waves.

    A decoy is planted as the ticket is, in units of its own, and nothing tells which of them
    defines the labels but the data.
    """

    name = "decoy"
    title = "Decoy: a wave, and another that does nothing"
    audited_depths = range(5, 6)
    audited_width = 50
    decoys: int = dial(1, 1, 8)


FAMILY = DecoyFamily()

"""The grid of an evaluation: challenge x pruner x density x seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plantkit.challenges.bundles import PublicChallenge
from plantkit.scoring.entries import Entry
from plantkit.scoring.protocol import Protocol, resolve_densities


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run that is to be made: a pruner, a density and a seed."""

    entry: Entry
    density: float
    is_planted_density: bool
    seed: int


def cells_of(
    entries: Sequence[Entry], challenge: PublicChallenge, protocol: Protocol
) -> list[Cell]:
    """Returns the cells of one challenge, entry by entry, densities ascending."""
    return [
        Cell(entry=entry, density=density, is_planted_density=planted, seed=seed)
        for entry in entries
        for density, planted in resolve_densities(challenge, protocol)
        for seed in range(protocol.seeds)
    ]

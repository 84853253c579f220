"""The grid challenge x pruner x density x seed: what takes part, and what is to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plantkit.bundles import PLANTED, PublicChallenge
from plantkit.catalog import Protocol
from plantkit.errors import UsageError
from plantkit.isolation.wire import PrunerSource
from plantkit.masks import budget_of

#: Called with what is going on, work done, and work in all: ("circle-5x100: pruning", 3, 72).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pruner that takes part.

    label: its unique name in the tables. sha256: of a submission's file, else None.
    module: of an installed plugin, where its entry point leads; its answers may be cached.
    is_submission: given by path rather than by a registered name.
    is_seeded: whether its masks may depend on the seed; if not, one run serves all seeds.
    """

    label: str
    source: PrunerSource
    reference: str = ""
    sha256: str | None = None
    plugin: str = ""
    version: str = ""
    module: str = ""
    is_submission: bool = False
    is_seeded: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.label,
            "path": self.source.path,
            "sha256": self.sha256,
            "plugin": self.plugin or None,
            "version": self.version or None,
            "options": dict(self.source.options),
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run to be made: a pruner, a density and a seed."""

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


def resolve_densities(challenge: PublicChallenge, protocol: Protocol) -> list[tuple[float, bool]]:
    """Returns the protocol's densities for a challenge, ascending, each with whether it is
    the planted one.

    Raises:
        UsageError: a density so low that a mask could keep nothing.
    """
    planted = challenge.planted_density
    found = {planted if value == PLANTED else float(value) for value in protocol.densities}
    for density in found:
        if budget_of(density, challenge.network.total) == 0:
            raise UsageError(
                f"density {density:g} keeps none of the {challenge.network.total} parameters of "
                f"{challenge.id}; expected at least {1 / challenge.network.total:.2g}"
            )
    return [(density, density == planted) for density in sorted(found)]

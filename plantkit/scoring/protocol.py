"""The protocol: densities, seeds, and the weights of the score."""

from __future__ import annotations

from dataclasses import dataclass

from plantkit.challenges.bundles import PLANTED, PublicChallenge
from plantkit.challenges.catalog import Suite
from plantkit.errors import UsageError
from plantkit.networks.masks import budget_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """At which densities pruners run, how often, and how the score is weighted.

    densities: numbers in (0, 1] or "planted". seeds: runs of each pruner at each density.
    weights: of the strong area, the weak area and F1 in the score.
    """

    densities: tuple[float | str, ...]
    seeds: int = 3
    strong_weight: float = 1.0
    weak_weight: float = 1.0
    f1_weight: float = 1.0

    @classmethod
    def of(cls, suite: Suite) -> Protocol:
        """Returns the protocol that a suite states."""
        weights = {f"{part}_weight": weight for part, weight in suite.weights.items()}
        return cls(densities=suite.densities, seeds=suite.seeds, **weights)


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

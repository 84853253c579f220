"""The protocol: densities, seeds, and the weights of the score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.suites import Suite
from plantkit.errors import UsageError
from plantkit.networks.budget import budget_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """At which densities pruners run, how often, and how the score is weighted.

    densities: as `densities.parse_density` returns them. seeds: runs of each pruner at each
    density. weights: of the strong, the weak and the overlap area in a challenge's score.
    family_weights: of a family's challenges together, by name; 1 where nothing is said.
    """

    densities: tuple[float | str, ...]
    seeds: int = 3
    strong_weight: float = 1.0
    weak_weight: float = 1.0
    overlap_weight: float = 1.0
    family_weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, suite: Suite) -> Protocol:
        """Returns the protocol that a suite states."""
        weights = {f"{part}_weight": weight for part, weight in suite.weights.items()}
        return cls(
            densities=suite.densities,
            seeds=suite.seeds,
            family_weights=suite.family_weights,
            **weights,
        )


def resolve_densities(challenge: ChallengeFacts, protocol: Protocol) -> list[tuple[float, bool]]:
    """Returns the protocol's densities for a challenge, ascending, each with whether it is
    the planted one. Multiples of the planted density above 1 are left out.

    Raises:
        UsageError: a density so low that a mask could keep nothing, or none is left.
    """
    planted, total = challenge.planted_density, challenge.total
    asked = [challenge.density_of(density) for density in protocol.densities]
    found = {density for density in asked if density is not None}
    if not found:
        raise UsageError(
            f"all densities asked for are above 1 on {challenge.id}, whose planted density is "
            f"{planted:.4g}: {', '.join(map(str, protocol.densities))}"
        )
    for density in found:
        if budget_of(density, total) == 0:
            raise UsageError(
                f"density {density:g} keeps none of the {total} parameters of "
                f"{challenge.id}; expected at least {1 / total:.2g}"
            )
    return [(density, density == planted) for density in sorted(found)]

"""What a manifest states of a challenge: enough to rank and show results, without its files.

Imports no torch: results that are known are shown at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plantkit.challenges import densities
from plantkit.networks.resolution import resolution
from plantkit.networks.training.accuracies import Accuracies


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeFacts:
    """A challenge as its manifest describes it. All of it is public, also of a sealed one.

    digest: the challenge's identity, the same sealed or not; see `bundles`.
    total: how many parameters the network has.
    densities: the protocol's densities, as `densities.parse_density` returns them.
    trivial, ticket, dense: reference accuracies on the test data.
    """

    id: str
    title: str
    family: str
    hidden: bool
    digest: str
    total: int
    densities: tuple[float | str, ...]
    overlap_scored: bool
    ticket_kept: int
    trivial: float
    ticket: Accuracies
    dense: Accuracies
    manifest: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, manifest: Mapping[str, Any], digest: str) -> ChallengeFacts:
        """Returns the facts in a valid manifest."""
        reference = manifest["reference"]
        return ChallengeFacts(
            id=manifest["id"],
            title=manifest["title"],
            family=manifest["family"],
            hidden=manifest["planting"]["hidden"],
            digest=digest,
            total=manifest["ticket"]["total"],
            densities=tuple(manifest["protocol"]["densities"]),
            overlap_scored=manifest["overlap_scored"],
            ticket_kept=manifest["ticket"]["kept"],
            trivial=reference["trivial"],
            ticket=Accuracies(**reference["ticket"]),
            dense=Accuracies(**reference["dense"]),
            manifest=manifest,
        )

    @property
    def metric(self) -> str:
        """What accuracies are, "accuracy" or "r2"."""
        return str(self.manifest["task"]["metric"])

    @property
    def resolution(self) -> float:
        """The smallest error that the test data can tell from none."""
        return resolution(self.manifest["task"]["kind"], self.manifest["data"]["test"])

    @property
    def planted_density(self) -> float:
        return self.ticket_kept / self.total

    def density_of(self, density: float | str) -> float | None:
        """Returns the density in (0, 1] that is asked for; see `densities.density_of`."""
        return densities.density_of(density, kept=self.ticket_kept, total=self.total)

    @property
    def is_sealed(self) -> bool:
        return bool(self.manifest["truth"]["storage"] == "sealed")

"""What can be said of a mask before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from plantkit.challenges.bundles import Challenge
from plantkit.challenges.costs import removal_costs
from plantkit.networks import PerceptronSpec
from plantkit.networks.connectivity import Connectivity, connectivity
from plantkit.networks.masks import Mask, average_precision, overlap
from plantkit.scoring.overlap import digits_lost, found_share
from plantkit.scoring.records import SCORED_OVERLAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What is known of a mask before it is trained."""

    connected: Connectivity
    overlap: Mapping[str, float]

    @classmethod
    def of(cls, challenge: Challenge, mask: Mask, costs: Mapping[str, Tensor]) -> Structure:
        """Returns the structure of a mask; `costs` are the ticket's, see `costs_of`."""
        ticket = challenge.truth.ticket
        shared = asdict(overlap(mask, ticket))
        del shared["true_positives"]
        shared[SCORED_OVERLAP] = found_share(mask, ticket, costs)
        if mask.saliency is not None:
            shared["average_precision"] = average_precision(mask.saliency, ticket)
        return cls(connected=connectivity(challenge.network, mask), overlap=shared)


def costs_of(challenge: Challenge) -> Mapping[str, Tensor]:
    """Returns the digits that the removal of each of the ticket's entries costs.

    It takes about 0.15 seconds at 5x100. In networks on images, where every removal takes a whole
    pass, all are zero: their entries count alike.
    """
    if not isinstance(challenge.network, PerceptronSpec):
        return {name: torch.zeros(shape) for name, shape in challenge.network.shapes.items()}
    found = removal_costs(
        challenge.network,
        challenge.task,
        challenge.weights,
        challenge.truth.ticket,
        challenge.train,
    )
    return digits_lost(found, resolution=challenge.task.resolution(len(challenge.train)))

"""From a mask and its accuracies to a record."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from plantkit.challenges.bundles import Challenge
from plantkit.challenges.costs import removal_costs
from plantkit.challenges.facts import ChallengeFacts
from plantkit.errors import describe
from plantkit.networks import PerceptronSpec
from plantkit.networks.connectivity import Connectivity, connectivity
from plantkit.networks.masks import Mask, average_precision, overlap
from plantkit.networks.training.accuracy import Accuracies
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.metrics import Evidence, Metric
from plantkit.scoring.overlap import digits_lost, found_share
from plantkit.scoring.records import SCORED_OVERLAP, Record
from plantkit.scoring.score import track_score

_LOG = logging.getLogger(__name__)


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


_NOTHING = Structure(
    connected=Connectivity(effective_density=0.0, collapsed_layers=0),
    overlap=dict.fromkeys(("precision", "recall", "f1", "iou", "lift", SCORED_OVERLAP), 0.0),
)


def record_of(
    challenge: ChallengeFacts,
    attempt: Attempt,
    *,
    digest: str = "",
    structure: Structure = _NOTHING,
    accuracies: Accuracies | None = None,
    metrics: Mapping[str, float] = MappingProxyType({}),
) -> Record:
    """Returns the record of an attempt; one that failed has no accuracies and scores zero.

    Args:
        digest: of the attempt's mask.
        metrics: plugins' metrics of the mask by name; see `compute_metrics`.
    """
    mask, trivial = attempt.mask, challenge.trivial
    found = accuracies or Accuracies(strong=trivial, weak=trivial)
    return Record(
        pruner=attempt.pruner,
        challenge=challenge.id,
        bundle_sha256=challenge.digest,
        target_density=attempt.target_density,
        density_multiple=attempt.target_density / challenge.planted_density,
        is_planted_density=attempt.is_planted_density,
        seed=attempt.seed,
        status=attempt.status,
        strong=track_score(challenge, found.strong),
        weak=track_score(challenge, found.weak),
        density=0.0 if mask is None else mask.density,
        sparsity=1.0 if mask is None else mask.sparsity,
        effective_density=structure.connected.effective_density,
        collapsed_layers=structure.connected.collapsed_layers,
        overlap=dict(structure.overlap),
        seconds=attempt.seconds,
        peak_rss_mib=attempt.peak_rss_mib,
        error=attempt.error,
        mask_sha256=digest or None,
        metrics=dict(metrics),
        cpu_seconds=attempt.cpu_seconds,
        effort=attempt.effort,
        rewind_step=attempt.rewind_step,
        note=attempt.note,
        traceback=attempt.traceback,
    )


def compute_metrics(
    metrics: Sequence[Metric], challenge: Challenge, mask: Mask, accuracies: Accuracies
) -> dict[str, float]:
    """Returns plugins' metrics of a mask; one that fails is left out, with a warning."""
    evidence = Evidence(
        network=challenge.network,
        mask=mask,
        ticket=challenge.truth.ticket,
        strong=accuracies.strong,
        weak=accuracies.weak,
    )
    found = {}
    for metric in metrics:
        try:
            value = float(metric.compute(evidence))
        except Exception as error:
            _LOG.warning("metric %r raised %s", metric.name, describe(error))
            continue
        if math.isfinite(value):
            found[metric.name] = value
        else:
            _LOG.warning("metric %r gave %s; expected a finite number", metric.name, value)
    return found

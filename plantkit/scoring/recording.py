"""From a mask and its accuracies to a record. Imports no torch."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from plantkit.challenges.facts import ChallengeFacts
from plantkit.errors import describe
from plantkit.networks.training.accuracies import Accuracies
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.metrics import Evidence, Metric
from plantkit.scoring.records import SCORED_OVERLAP, Record
from plantkit.scoring.score import track_score

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge
    from plantkit.networks.masks import Mask
    from plantkit.scoring.structures import Structure

_LOG = logging.getLogger(__name__)
_NO_OVERLAP = dict.fromkeys(("precision", "recall", "f1", "iou", "lift", SCORED_OVERLAP), 0.0)


def record_of(
    challenge: ChallengeFacts,
    attempt: Attempt,
    *,
    digest: str = "",
    structure: Structure | None = None,
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
        effective_density=0.0 if structure is None else structure.connected.effective_density,
        collapsed_layers=0 if structure is None else structure.connected.collapsed_layers,
        overlap=dict(_NO_OVERLAP if structure is None else structure.overlap),
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

"""From masks to records, and from records to a pruner's areas and score."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from plantkit.bundles import Challenge
from plantkit.cache import Cache, performance_key
from plantkit.catalog import Protocol
from plantkit.connectivity import Connectivity, connectivity
from plantkit.executors import Executor
from plantkit.masks import Mask, average_precision, overlap
from plantkit.metrics import Evidence, Metric
from plantkit.performance import Performances, measure
from plantkit.plugins import describe
from plantkit.results import Record, TrackScore

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a pruner before scoring. `mask` is None unless `status` is "ok".

    output: the end of what it printed, tracebacks included.
    """

    pruner: str
    target_density: float
    is_planted_density: bool
    seed: int
    status: str
    mask: Mask | None
    error: str
    seconds: float
    peak_rss_mib: float | None
    output: str = ""


def recovered_accuracy(performance: float, *, trivial: float, ticket: float) -> float:
    """Returns the share of the ticket's gain over the trivial predictor, clipped to [0, 1].

    A performance that is not a number, as of an exploding network, recovers nothing.

    Raises:
        ValueError: the ticket is no better than the trivial predictor.
    """
    if ticket <= trivial:
        raise ValueError(f"ticket performance {ticket} is not above the trivial {trivial}")
    if math.isnan(performance):
        return 0.0
    return min(1.0, max(0.0, (performance - trivial) / (ticket - trivial)))


def score_attempts(
    challenge: Challenge,
    attempts: Sequence[Attempt],
    *,
    jobs: int = 1,
    device: str = "cpu",
    executor: Executor | None = None,
    cache: Cache | None = None,
    metrics: Sequence[Metric] = (),
    on_done: Callable[[int], None] | None = None,
) -> list[Record]:
    """Returns the records of `attempts`, in their order.

    Equal masks with equal seeds train once, and not at all where `cache` knows them.
    `on_done` is called with the number of trained networks of each group that has finished.

    Args:
        jobs, device, executor: see `performance.measure`.
    """
    distinct: dict[tuple[str, int], tuple[Mask, int]] = {}
    for attempt in attempts:
        if attempt.mask is not None:
            key = (attempt.mask.digest(), attempt.seed)
            distinct.setdefault(key, (attempt.mask, attempt.seed))
    keys = {
        (mask, seed): performance_key(bundle=challenge.digest, mask=mask, seed=seed, device=device)
        for mask, seed in (distinct if cache is not None else ())
    }
    performances: dict[tuple[str, int], Performances] = {}
    for run, run_key in keys.items():
        known = cache.performances(run_key) if cache is not None else None
        if known is not None:
            performances[run] = known
    missing = {run: value for run, value in distinct.items() if run not in performances}
    measured = measure(
        challenge.network,
        challenge.task,
        challenge.weights,
        [mask for mask, _ in missing.values()],
        [seed for _, seed in missing.values()],
        challenge.recipe,
        train_data=challenge.train,
        test_data=challenge.truth.test,
        jobs=jobs,
        device=device,
        executor=executor,
        on_done=on_done,
    )
    for run, found in zip(missing, measured, strict=True):
        performances[run] = found
        if cache is not None:
            cache.keep_performances(keys[run], found)
    seen: dict[int, _Structure] = {}  # one mask often serves several seeds
    records = []
    for attempt in attempts:
        mask = attempt.mask
        if mask is None:
            records.append(_failed_record(challenge, attempt))
            continue
        if id(mask) not in seen:
            seen[id(mask)] = _Structure.of(challenge, mask)
        found = performances[mask.digest(), attempt.seed]
        records.append(_record(challenge, attempt, mask, seen[id(mask)], found, metrics))
    return records


def recovery_area(points: Mapping[float, float | None]) -> float:
    """Returns the area under recovered accuracy over log density, normalised to [0, 1].

    Args:
        points: density in (0, 1] to recovered accuracy, at least two densities. Between
            them recovered accuracy is interpolated linearly in log density. Where a run failed
            it is None, and nothing counts up to the next density on either side.
    """
    densities = sorted(points)
    if len(densities) < 2:
        raise ValueError("an area needs at least two densities")
    area = 0.0
    for low, high in itertools.pairwise(densities):
        left, right = points[low], points[high]
        if left is not None and right is not None:
            area += (math.log(high) - math.log(low)) * (left + right) / 2
    return area / (math.log(densities[-1]) - math.log(densities[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScore:
    """What one pruner reached on one challenge with one seed; all in [0, 1].

    f1 is None where the challenge's overlap is not scored or the planted density was not run.
    """

    strong_area: float
    weak_area: float
    f1: float | None

    def total(self, protocol: Protocol) -> float:
        """Returns the score in [0, 100]: the weighted mean of the parts that are scored."""
        parts = [
            (protocol.strong_weight, self.strong_area),
            (protocol.weak_weight, self.weak_area),
        ]
        if self.f1 is not None:
            parts.append((protocol.f1_weight, self.f1))
        weight = sum(share for share, _ in parts)
        return 100 * sum(share * value for share, value in parts) / weight if weight else 0.0


def seed_score(challenge: Challenge, records: Sequence[Record]) -> SeedScore:
    """Returns the score of one pruner's records for one challenge and one seed.

    The areas end at density 1, where every mask is the same: the dense network's recovered
    accuracy, as the bundle states it, stands there. A strong ticket needs no training, so the
    weak area takes what a mask recovers trained or untrained, whichever is more.
    """
    by_density = {
        record.target_density: Performances(
            strong=record.strong.recovered_accuracy, weak=record.weak.recovered_accuracy
        )
        if record.status == "ok"
        else None
        for record in records
    }
    planted = [r.overlap["f1"] for r in records if r.is_planted_density]
    return _seed_score(challenge, by_density, f1=planted[0] if planted else None)


def ticket_score(challenge: Challenge, protocol: Protocol, densities: Sequence[float]) -> float:
    """Returns the score in [0, 100] of a pruner that returns the ticket at every density."""
    ticket = _recovered(challenge, challenge.ticket)
    by_density = {density: ticket for density in densities if density < 1.0}
    f1 = 1.0 if challenge.planted_density in densities else None
    return _seed_score(challenge, by_density, f1=f1).total(protocol)


def _seed_score(
    challenge: Challenge, by_density: Mapping[float, Performances | None], *, f1: float | None
) -> SeedScore:
    # Below the planted density the ticket itself does not fit: those runs are shown, not scored.
    counted = {d: p for d, p in by_density.items() if d >= challenge.planted_density}
    points = {1.0: _recovered(challenge, challenge.dense), **counted}
    strong = {density: None if p is None else p.strong for density, p in points.items()}
    weak = {density: None if p is None else max(p.strong, p.weak) for density, p in points.items()}
    return SeedScore(
        strong_area=recovery_area(strong) if len(strong) > 1 else strong[1.0] or 0.0,
        weak_area=recovery_area(weak) if len(weak) > 1 else weak[1.0] or 0.0,
        f1=f1 if challenge.overlap_scored else None,
    )


def _recovered(challenge: Challenge, performances: Performances) -> Performances:
    ticket, trivial = challenge.ticket.strong, challenge.trivial
    return Performances(
        strong=recovered_accuracy(performances.strong, trivial=trivial, ticket=ticket),
        weak=recovered_accuracy(performances.weak, trivial=trivial, ticket=ticket),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Structure:
    """What can be said of a mask without its performances."""

    connected: Connectivity
    overlap: Mapping[str, float]

    @classmethod
    def of(cls, challenge: Challenge, mask: Mask) -> _Structure:
        ticket = challenge.truth.ticket
        shared = asdict(overlap(mask, ticket))
        del shared["true_positives"]
        if mask.saliency is not None:
            shared["average_precision"] = average_precision(mask.saliency, ticket)
        return cls(connected=connectivity(challenge.network, mask), overlap=shared)


def _record(
    challenge: Challenge,
    attempt: Attempt,
    mask: Mask,
    structure: _Structure,
    performances: Performances,
    metrics: Sequence[Metric],
) -> Record:
    recovered = _recovered(challenge, performances)
    evidence = Evidence(
        network=challenge.network,
        mask=mask,
        ticket=challenge.truth.ticket,
        strong=performances.strong,
        weak=performances.weak,
    )
    return Record(
        pruner=attempt.pruner,
        challenge=challenge.id,
        bundle_sha256=challenge.digest,
        target_density=attempt.target_density,
        is_planted_density=attempt.is_planted_density,
        seed=attempt.seed,
        status=attempt.status,
        strong=TrackScore(
            performance=_finite(performances.strong), recovered_accuracy=recovered.strong
        ),
        weak=TrackScore(performance=_finite(performances.weak), recovered_accuracy=recovered.weak),
        density=mask.density,
        sparsity=mask.sparsity,
        effective_density=structure.connected.effective_density,
        collapsed_layers=structure.connected.collapsed_layers,
        overlap=dict(structure.overlap),
        seconds=attempt.seconds,
        peak_rss_mib=attempt.peak_rss_mib,
        error="",
        mask_sha256=mask.digest(),
        metrics=_compute(metrics, evidence),
    )


def _failed_record(challenge: Challenge, attempt: Attempt) -> Record:
    nothing = TrackScore(performance=_finite(challenge.trivial), recovered_accuracy=0.0)
    return Record(
        pruner=attempt.pruner,
        challenge=challenge.id,
        bundle_sha256=challenge.digest,
        target_density=attempt.target_density,
        is_planted_density=attempt.is_planted_density,
        seed=attempt.seed,
        status=attempt.status,
        strong=nothing,
        weak=nothing,
        density=0.0,
        sparsity=1.0,
        effective_density=0.0,
        collapsed_layers=0,
        overlap=dict.fromkeys(("precision", "recall", "f1", "iou", "lift"), 0.0),
        seconds=attempt.seconds,
        peak_rss_mib=attempt.peak_rss_mib,
        error=attempt.error,
    )


def _compute(metrics: Sequence[Metric], evidence: Evidence) -> dict[str, float]:
    """Returns what the metrics of plugins say; one that breaks is left out, with a warning."""
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


def _finite(value: float) -> float:
    """JSON has no infinities: a performance below any use is stored as a large negative one."""
    return value if math.isfinite(value) else -1e30

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
from plantkit.performance import Measurement, Performances, measure_all
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
    """Returns the records of `attempts`, in their order; see `score_all`.

    `on_done` is called with the number of trained networks of each group that has finished.

    Args:
        jobs, device, executor: see `performance.measure`.
    """
    [records] = score_all(
        [(challenge, attempts)],
        jobs=jobs,
        device=device,
        executor=executor,
        cache=cache,
        metrics=metrics,
        on_done=on_done,
    )
    return records


def score_all(
    batches: Sequence[tuple[Challenge, Sequence[Attempt]]],
    *,
    jobs: int = 1,
    device: str = "cpu",
    executor: Executor | None = None,
    cache: Cache | None = None,
    metrics: Sequence[Metric] = (),
    on_done: Callable[[int], None] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[list[Record]]:
    """Returns the records of each challenge's attempts, in their order.

    Networks of all challenges train side by side. Equal masks with equal seeds train once, and
    not at all where `cache` knows them; it learns of each group as that has finished.

    Args:
        jobs, device, executor: see `performance.measure`.
        meanwhile: called once, while networks train.
    """
    scorings = [_Scoring.of(challenge, attempts, device, cache) for challenge, attempts in batches]

    def keep(position: int, runs: Sequence[int], found: Sequence[Performances]) -> None:
        scoring = scorings[position]
        for run, performances in zip(runs, found, strict=True):
            key = scoring.missing[run]
            scoring.performances[key] = performances
            if cache is not None:
                cache.keep_performances(scoring.keys[key], performances)
        if on_done is not None:
            on_done(len(runs))

    structures: list[dict[int, _Structure]] = []

    def fill_in() -> None:
        structures.extend(scoring.structures() for scoring in scorings)
        meanwhile()

    measure_all(
        [scoring.measurement() for scoring in scorings],
        jobs=jobs,
        device=device,
        executor=executor,
        on_done=keep,
        meanwhile=fill_in,
    )
    return [
        scoring.records(known, metrics) for scoring, known in zip(scorings, structures, strict=True)
    ]


#: A mask's digest and the seed that it is trained with.
_RunKey = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scoring:
    """The attempts of one challenge on their way to records.

    masks: the masks to be measured. keys: where the cache keeps their performances.
    performances: those that are known, filled up as others are measured. missing: the rest.
    """

    challenge: Challenge
    attempts: Sequence[Attempt]
    digests: Sequence[str]
    masks: Mapping[_RunKey, Mask]
    keys: Mapping[_RunKey, str]
    performances: dict[_RunKey, Performances]
    missing: Sequence[_RunKey]

    @classmethod
    def of(
        cls, challenge: Challenge, attempts: Sequence[Attempt], device: str, cache: Cache | None
    ) -> _Scoring:
        by_mask: dict[int, str] = {}  # one mask often serves several seeds
        for attempt in attempts:
            if attempt.mask is not None and id(attempt.mask) not in by_mask:
                by_mask[id(attempt.mask)] = attempt.mask.digest()
        digests = [by_mask.get(id(attempt.mask), "") for attempt in attempts]
        masks: dict[_RunKey, Mask] = {}
        for attempt, digest in zip(attempts, digests, strict=True):
            if attempt.mask is not None:
                masks.setdefault((digest, attempt.seed), attempt.mask)
        keys: dict[_RunKey, str] = {}
        performances: dict[_RunKey, Performances] = {}
        if cache is not None:
            for digest, seed in masks:
                key = performance_key(
                    bundle=challenge.digest, mask=digest, seed=seed, device=device
                )
                keys[digest, seed] = key
                known = cache.performances(key)
                if known is not None:
                    performances[digest, seed] = known
        return cls(
            challenge=challenge,
            attempts=attempts,
            digests=digests,
            masks=masks,
            keys=keys,
            performances=performances,
            missing=[run for run in masks if run not in performances],
        )

    def measurement(self) -> Measurement:
        """Returns what is to be measured, in the order of `missing`."""
        challenge = self.challenge
        return Measurement(
            spec=challenge.network,
            task=challenge.task,
            weights=challenge.weights,
            masks=[self.masks[run] for run in self.missing],
            seeds=[seed for _, seed in self.missing],
            recipe=challenge.recipe,
            train_data=challenge.train,
            test_data=challenge.truth.test,
        )

    def structures(self) -> dict[int, _Structure]:
        """Returns what can be said of each mask before it is trained, by the mask's `id`."""
        masks = {id(attempt.mask): attempt.mask for attempt in self.attempts}
        return {
            key: _Structure.of(self.challenge, mask)
            for key, mask in masks.items()
            if mask is not None
        }

    def records(
        self, structures: Mapping[int, _Structure], metrics: Sequence[Metric]
    ) -> list[Record]:
        """Returns the records of the attempts once all performances are known."""
        return [
            _failed_record(self.challenge, attempt)
            if attempt.mask is None
            else _record(
                self.challenge,
                attempt,
                attempt.mask,
                digest,
                structures[id(attempt.mask)],
                self.performances[digest, attempt.seed],
                metrics,
            )
            for attempt, digest in zip(self.attempts, self.digests, strict=True)
        ]


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
    digest: str,
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
        mask_sha256=digest,
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

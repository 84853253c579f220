"""A figure of the evaluation, or its difference to a baseline's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, failures_text, fault_of, matches
from plantkit.grading.grade import Verdict
from plantkit.grading.measures import MEASURES, Measure, plugin_measure
from plantkit.scoring.score import seed_score

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge
    from plantkit.grading.rubric import Criterion
    from plantkit.scoring.records import Record

_AGGREGATES: dict[str, Callable[[Iterable[float]], float]] = {
    "mean": fmean,
    "min": min,
    "max": max,
}


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the mean over challenges of the aggregate over seeds."""
    figure = MEASURES.get(criterion.metric) or plugin_measure(criterion.metric)
    values: list[float] = []
    mine: list[Record] = []
    missing = ""
    theirs_failed = ""
    for challenge in bench.challenges_of(criterion):
        records = _select(criterion, bench, figure, bench.entry.label, challenge)
        mine += records
        seeds = _values(criterion, bench, figure, challenge, records)
        if criterion.baseline is not None:
            others = _select(criterion, bench, figure, criterion.baseline, challenge)
            theirs_failed = theirs_failed or failures_text(others)
            base = _values(criterion, bench, figure, challenge, others)
            seeds = [
                None if one is None or other is None else one - other
                for one, other in zip(seeds, base, strict=True)
            ]
        present = [value for value in seeds if value is not None]
        if len(present) < len(seeds) or not present:
            missing = f"no {criterion.metric} on {challenge.id}"
            continue
        values.append(_AGGREGATES[criterion.over_seeds](present))
    failed = failures_text(mine)
    everything_failed = all(record.status != "ok" for record in mine)
    seconds = math.fsum(record.seconds for record in mine)
    if theirs_failed:
        message = f"the baseline {criterion.baseline} failed: {theirs_failed}: tell course staff"
        return Measured(
            value=None, got="nothing", message=message, fault=Verdict.ERROR, seconds=seconds
        )
    if missing or everything_failed:
        if criterion.metric == "average_precision" and not failed:
            failed = "the pruner gives no saliencies; average precision is computed from them"
        return Measured(
            value=None,
            got="nothing",
            message=failed or missing,
            fault=fault_of(mine),
            seconds=seconds,
        )
    value = fmean(values)
    return Measured(
        value=value,
        got=_words(criterion, value),
        message=failed,
        fault=fault_of(mine),
        seconds=seconds,
    )


def _select(
    criterion: Criterion, bench: Bench, figure: Measure, pruner: str, challenge: Challenge
) -> list[Record]:
    """Returns the records that a criterion looks at, in the order of seeds and densities."""
    records = bench.evaluation.records_of(pruner, challenge)
    if criterion.density is not None:
        records = [record for record in records if matches(record, criterion.density)]
    else:
        records = [record for record in records if bench.is_run_density(record)]
    return sorted(records, key=lambda record: (record.seed, record.target_density))


def _values(
    criterion: Criterion,
    bench: Bench,
    figure: Measure,
    challenge: Challenge,
    records: Sequence[Record],
) -> list[float | None]:
    """Returns the values to be aggregated; None for one that a failed run left empty."""
    if figure.extract is not None:
        return [_value(criterion, figure, record) for record in records]
    values: list[float | None] = []
    for seed in sorted({record.seed for record in records}):
        score = seed_score(challenge, [record for record in records if record.seed == seed])
        if criterion.metric == "score":
            values.append(score.total(bench.protocol))
        else:
            values.append(score.strong_area if criterion.track == "strong" else score.weak_area)
    return values


def _value(criterion: Criterion, figure: Measure, record: Record) -> float | None:
    assert figure.extract is not None
    if record.status == "ok":
        value = figure.extract(record, criterion.track)
        return None if value is None or math.isnan(value) else value
    # A failure must not look like a small, and so a good, figure.
    return figure.failed if criterion.credit.is_higher_better else None


def _words(criterion: Criterion, value: float) -> str:
    if criterion.baseline is None:
        return f"{value:.4g}"
    return f"{value:+.4g} against {criterion.baseline}"

"""A figure of the evaluation, or its difference from a baseline's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from plantkit.grading.criteria import Bench, Measured, failures_text, fault_of
from plantkit.grading.grade import MarkVerdict
from plantkit.grading.measures import MEASURES, Measure, plugin_measure
from plantkit.scoring.score import seed_score

if TYPE_CHECKING:
    from plantkit.challenges.facts import ChallengeFacts
    from plantkit.grading.rubric import Criterion
    from plantkit.scoring.records import Record

_AGGREGATES: dict[str, Callable[[Iterable[float]], float]] = {
    "mean": fmean,
    "min": min,
    "max": max,
}


def expected(criterion: Criterion) -> str:
    """Returns what is asked for: `weak recovered accuracy on relu-3x8 at least 0.9`."""
    words = [criterion.track, criterion.metric.replace("_", " ")]
    if criterion.challenge is not None:
        words.append(f"on {Path(criterion.challenge).name}")
    if criterion.density is not None:
        words.append(f"at density {criterion.density},")
    words.append(criterion.credit.expected())
    if criterion.baseline is not None:
        words.append(f"above {criterion.baseline}")
    return " ".join(filter(None, words))


def measure(criterion: Criterion, bench: Bench) -> Measured:
    """Returns the mean over challenges; on each, seeds are aggregated as the rubric says."""
    values: list[float] = []
    mine: list[Record] = []
    missing = theirs_failed = ""
    for challenge in bench.challenges:
        records = bench.records(criterion, challenge)
        mine += records
        seeds = _values(criterion, bench, challenge, records)
        if criterion.baseline is not None:
            others = bench.records(criterion, challenge, baseline=criterion.baseline)
            theirs_failed = theirs_failed or failures_text(others)
            base = _values(criterion, bench, challenge, others)
            seeds = [
                None if one is None or other is None else one - other
                for one, other in zip(seeds, base, strict=True)
            ]
        present = [value for value in seeds if value is not None]
        if len(present) < len(seeds) or not present:
            missing = f"no {criterion.metric} on {challenge.id}"
        else:
            values.append(_AGGREGATES[criterion.seeds](present))
    value, got, message, fault = None, "nothing", failures_text(mine), fault_of(mine)
    if theirs_failed:
        message = f"the baseline {criterion.baseline} failed: {theirs_failed}: tell course staff"
        fault = MarkVerdict.ERROR
    elif missing or all(record.status != "ok" for record in mine):
        if criterion.metric == "average_precision":
            missing = "the pruner gives no saliencies; average precision is computed from them"
        message = message or missing
    else:
        value = fmean(values)
        got = f"{value:.4g}"
        if criterion.baseline is not None:
            got = f"{value:+.4g} against {criterion.baseline}"
    seconds = math.fsum(record.seconds for record in mine)
    return Measured(value=value, got=got, message=message, fault=fault, seconds=seconds)


def _values(
    criterion: Criterion, bench: Bench, challenge: ChallengeFacts, records: Sequence[Record]
) -> list[float | None]:
    """Returns one value per run, or per seed; None where a failed run left no value."""
    figure = MEASURES.get(criterion.metric) or plugin_measure(criterion.metric)
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

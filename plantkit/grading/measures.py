"""The figures that a rubric's criteria can ask for; each is one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plantkit.scoring.records import SCORED_OVERLAP

if TYPE_CHECKING:
    from plantkit.scoring.records import Record

#: Returns the figure of a record, on a track for those that have tracks; None if it has none.
Extract = Callable[["Record", str], "float | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure of one run, or of all densities of a seed together (`extract` is None).

    failed: what a failed run counts as; None if it leaves no figure at all.
    """

    extract: Extract | None
    has_track: bool = False
    needs_density: bool = True
    failed: float | None = None


def _overlap(name: str) -> Measure:
    return Measure(extract=lambda record, _: record.overlap.get(name), failed=0.0)


MEASURES = {
    "recovered_accuracy": Measure(
        extract=lambda r, track: (r.strong if track == "strong" else r.weak).recovered_accuracy,
        has_track=True,
        failed=0.0,
    ),
    "recovered_digits": Measure(
        extract=lambda r, track: (r.strong if track == "strong" else r.weak).recovered_digits,
        has_track=True,
        failed=0.0,
    ),
    "performance": Measure(
        extract=lambda r, track: (r.strong if track == "strong" else r.weak).performance,
        has_track=True,
    ),
    **{
        name: _overlap(name)
        for name in (
            "f1",
            "precision",
            "recall",
            "iou",
            "lift",
            "average_precision",
            SCORED_OVERLAP,
        )
    },
    "density": Measure(extract=lambda r, _: r.density),
    "sparsity": Measure(extract=lambda r, _: r.sparsity),
    "effective_density": Measure(extract=lambda r, _: r.effective_density),
    "collapsed_layers": Measure(extract=lambda r, _: float(r.collapsed_layers)),
    "seconds": Measure(extract=lambda r, _: r.seconds, needs_density=False),
    "effort": Measure(extract=lambda r, _: r.effort, needs_density=False),
    "peak_rss_mib": Measure(extract=lambda r, _: r.peak_rss_mib, needs_density=False),
    "area": Measure(extract=None, has_track=True, needs_density=False, failed=0.0),
    "score": Measure(extract=None, needs_density=False, failed=0.0),
}


def plugin_measure(name: str) -> Measure:
    """Returns the measure of a metric that a plugin computes."""
    return Measure(extract=lambda record, _: record.metrics.get(name))

"""What staff want to know of a class: how points are spread, what was missed, what failed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Any

from plantkit.grading.classes.graded import ERROR, GradedHandIn
from plantkit.grading.grade import Grade, MarkVerdict
from plantkit.isolation.causes import cause_in
from plantkit.isolation.wire import Limits

#: Most bars of the distribution.
_MOST_BINS = 20
#: What a status of a run means, and how bad it is: the first that a hand-in has is counted.
_STATUSES = {
    "timeout": "reached the time limit",
    "oom": "ran out of memory",
    "crash": "crashed",
    "invalid": "gave an invalid mask",
}
#: Causes whose names say little by themselves. Of others, the kind of error is told.
_CAUSES = {
    "time": "time limit",
    "memory": "memory",
    "disk": "disk space",
    "file-size": "a file too large",
    "threads": "too many threads",
    "children": "too many processes",
    "processes": "it starts processes",
    "programs": "it starts programs",
    "compilers": "it compiles",
    "network": "it wants the network",
    "reading": "it reads other files",
    "writing": "it writes elsewhere",
    "directory": "a file that is not there",
    "packages": "a package that is not there",
    "own-files": "a file of its own is missing",
    "device": "it wants a GPU",
    "killed": "killed",
}
_ERROR_NAME = re.compile(r"[A-Za-z_.]*(?:Error|Exception|Exit|Interrupt)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """A bar of the distribution: hand-ins with `low` points or more, and less than `high`.

    The last one has those with `high` points, too.
    """

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionFigures:
    """How a class did in one criterion. share: mean of the points at stake, in [0, 1]."""

    name: str
    hidden: bool
    max_points: float
    share: float
    full: int
    partial: int
    none: int

    @property
    def count(self) -> int:
        return self.full + self.partial + self.none


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """Hand-ins that failed for the same cause. example: the message of the first."""

    what: str
    handins: Sequence[GradedHandIn]
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """The figures of a class; those of points are None where nobody was graded.

    quartiles: three values. passed: how many reached the share that the rubric asks for.
    """

    graded: Sequence[GradedHandIn]
    missing: Sequence[GradedHandIn]
    waiting: Sequence[GradedHandIn]
    ungradable: Sequence[GradedHandIn]
    late: Sequence[GradedHandIn]
    max_points: float
    bins: Sequence[Bin]
    criteria: Sequence[CriterionFigures]
    failing: Sequence[Failing]
    passed: int
    mean: float | None = None
    quartiles: tuple[float, float, float] | None = None


def class_figures(
    handins: Sequence[GradedHandIn],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    limits: Limits,
) -> ClassFigures:
    """Returns the figures of a class.

    Args:
        runs: JSON of the records of hand-ins' runs, by id.
        limits: of the runs.
    """
    graded = [one for one in handins if one.grade is not None]
    grades = [one.grade for one in graded if one.grade is not None]
    points = [grade.points for grade in grades]
    most = max((grade.max_points for grade in grades), default=0.0)
    return ClassFigures(
        graded=graded,
        missing=[one for one in handins if one.handin.path is None],
        waiting=[one for one in handins if one.handin.path is not None and not one.status],
        ungradable=[one for one in handins if one.status == ERROR],
        late=[one for one in handins if one.handin.late],
        max_points=most,
        bins=_bins(points, most),
        criteria=_criteria(grades),
        failing=_failing(graded, runs, limits),
        passed=sum(grade.passed for grade in grades),
        mean=fmean(points) if points else None,
        quartiles=_quartiles(points),
    )


def _quartiles(points: Sequence[float]) -> tuple[float, float, float] | None:
    if not points:
        return None
    if len(points) == 1:
        return points[0], points[0], points[0]
    low, middle, high = quantiles(points, n=4, method="inclusive")
    return low, middle, high


def _bins(points: Sequence[float], most: float) -> list[Bin]:
    """Returns bars of equal, round width over all points that can be had."""
    if most <= 0:
        return []
    widths = (base * 10.0**power for power in range(-3, 7) for base in (1, 2, 5))
    width = next(width for width in widths if most / width <= _MOST_BINS)
    edges = [0.0]
    while edges[-1] < most - 1e-9:
        edges.append(round((len(edges)) * width, 9))
    pairs = list(itertools.pairwise(edges))
    counts = [0] * len(pairs)
    for one in points:
        counts[min(int(one / width + 1e-9), len(pairs) - 1)] += 1
    return [
        Bin(low=low, high=min(high, most), count=count)
        for (low, high), count in zip(pairs, counts, strict=True)
    ]


def _criteria(grades: Sequence[Grade]) -> list[CriterionFigures]:
    """Returns the criteria, the one in which most points were missed first."""
    marks = {
        mark.name: [one for grade in grades for one in grade.run_marks if one.name == mark.name]
        for grade in grades
        for mark in grade.run_marks
    }
    found = [
        CriterionFigures(
            name=name,
            hidden=mine[0].hidden,
            max_points=mine[0].max_points,
            share=fmean(one.points / one.max_points for one in mine),
            full=sum(one.points >= one.max_points for one in mine),
            partial=sum(0 < one.points < one.max_points for one in mine),
            none=sum(one.points <= 0 for one in mine),
        )
        for name, mine in marks.items()
    ]
    return sorted(found, key=lambda one: one.share)


def _failing(
    graded: Sequence[GradedHandIn],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    limits: Limits,
) -> list[Failing]:
    """Returns hand-ins with a failed run by what failed, the commonest first.

    A hand-in counts once, for the worst that happened to it.
    """
    found: dict[str, list[tuple[GradedHandIn, str]]] = {}
    for one in graded:
        assert one.grade is not None
        if one.grade.error:
            what = _what("cannot be loaded", one.grade.error, limits)
            found.setdefault(what, []).append((one, one.grade.error))
            continue
        failed = [record for record in runs.get(one.handin.id, ()) if record["status"] != "ok"]
        for status, words in _STATUSES.items():
            errors = [record["error"] for record in failed if record["status"] == status]
            if errors:
                what = _what(words, errors[0], limits)
                found.setdefault(what, []).append((one, errors[0]))
                break
        else:
            if any(mark.verdict is MarkVerdict.ERROR for mark in one.grade.marks):
                message = next(m.message for m in one.grade.marks if m.verdict is MarkVerdict.ERROR)
                found.setdefault("failed otherwise", []).append((one, message))
    failing = [
        Failing(what=what, handins=[one for one, _ in some], example=some[0][1])
        for what, some in found.items()
    ]
    return sorted(failing, key=lambda one: (-len(one.handins), one.what))


def _what(words: str, error: str, limits: Limits) -> str:
    """Returns what happened in a few words: what, and the cause or the kind of error."""
    cause = cause_in(error, limits)
    kind = _ERROR_NAME.search(error)
    detail = _CAUSES.get(cause) or (kind[0] if kind else "")
    is_said = cause in {"time", "memory"} and words != "cannot be loaded"
    return words if not detail or is_said else f"{words}, {detail}"

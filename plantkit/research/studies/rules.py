"""The rules by which claims are judged: functions of records and of the numbers in the table.

Every rule takes bounds, `at_least`, `above`, `at_most` and `below`; a bound is a number, or a
fraction as text ("2/3"). What must lie within them says the rule.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from statistics import fmean
from typing import Any

from plantkit.research.studies.claims import OPEN, Figure, Judgement, places
from plantkit.research.studies.records import Coordinate, Records

#: Coordinates to look at: to each a value, or a list of which every one is looked at. Listed
#: values stand in the figures' labels, in this order.
Where = Mapping[str, Any]
Bound = float | str


def means(
    records: Records, *, value: str, where: Where, label: str = "", show: str = "", **bounds: Bound
) -> Judgement:
    """The mean of `value` is within the bounds at every place of `where`.

    label: of the figure, if no coordinate is listed. show: "highest" or "lowest" shows, of all
    figures with the same first listed coordinate, only that one.
    """
    figures = _means(records, value, where, label)
    if figures is None:
        return Judgement(holds=None)
    holds = all(is_within(figure.mean, figure.mean, **bounds) for figure in figures)
    if show:
        pick = {"highest": max, "lowest": min}[show]
        groups: dict[str, list[Figure]] = {}
        for figure in figures:
            groups.setdefault(figure.label.split()[0], []).append(figure)
        figures = [pick(group, key=lambda figure: figure.mean) for group in groups.values()]
    return Judgement(holds=holds, figures=tuple(figures))


def gaps(
    records: Records, *, value: str, where: Where, between: str, show: str = "", **bounds: Bound
) -> Judgement:
    """From one value of a coordinate to another, means move by an amount within the bounds.

    between: the coordinate, for which `where` lists two values. show: "widest" shows only the
    two means that are furthest apart.
    """
    ends = [_means(records, value, {**where, between: [end]}) for end in where[between]]
    if None in ends:
        return Judgement(holds=None)
    pairs = list(zip(*(end for end in ends if end is not None), strict=True))
    moves = [second.mean - first.mean for first, second in pairs]
    holds = all(is_within(move, move, **bounds) for move in moves)
    if show == "widest":
        pairs = [max(pairs, key=lambda pair: abs(pair[1].mean - pair[0].mean))]
    return Judgement(holds=holds, figures=tuple(itertools.chain.from_iterable(pairs)))


def paired(
    records: Records,
    *,
    value: str,
    first: Where,
    second: Where,
    label: str,
    ends: tuple[str, str] | None = None,
    effect: float | None = None,
    effect_share: float | None = None,
    **bounds: Bound,
) -> Judgement:
    """The 95% interval, over seeds, of `value` at `first` less that at `second` is within bounds.

    ends: labels, if the intervals of the two are to be shown, too. effect: the difference that
    the paper found. effect_share: the same, as a share of the mean at `second`.
    """
    here, there = records.where(**first), records.where(**second)
    interval = Figure.interval(label, differences(here, there, value))
    if interval is None:
        return Judgement(holds=None)
    figures = [interval]
    if ends is not None:
        sides = zip(ends, (here, there), strict=True)
        shown = [Figure.interval(said, side.values(value)) for said, side in sides]
        figures = [*(figure for figure in shown if figure is not None), interval]
    if effect_share is not None:
        effect = effect_share * fmean(there.values(value))
    return judged(interval, tuple(figures), bounds, effect=effect)


def ratio(
    records: Records, *, value: str, over: str, where: Where, label: str, **bounds: Bound
) -> Judgement:
    """The 95% interval, over seeds, of `value` divided by the value `over` is within bounds."""
    here = records.where(**where)
    divisors = by_seed(here, over)
    ratios = [found / divisors[seed] for seed, found in by_seed(here, value).items()]
    interval = Figure.interval(label, ratios)
    if interval is None:
        return Judgement(holds=None)
    return judged(interval, (interval,), bounds)


def judged(
    interval: Figure,
    figures: tuple[Figure, ...],
    bounds: Mapping[str, Bound],
    *,
    effect: float | None = None,
) -> Judgement:
    """Returns whether an interval is within bounds, and whether that is in doubt if it is not.

    effect: what the paper found. Without it, any interval that reaches into the bounds is.
    """
    holds = is_within(interval.low, interval.high, **bounds)
    if effect is None:
        may_hold = is_within(interval.high, interval.low, **bounds)  # some value between does
    else:
        may_hold = interval.low <= effect <= interval.high
    return Judgement(holds=holds, figures=figures, doubt=OPEN if may_hold and not holds else "")


RULES: Mapping[str, Callable[..., Judgement]] = {
    "means": means,
    "gaps": gaps,
    "paired": paired,
    "ratio": ratio,
}


def is_within(
    low: float,
    high: float,
    *,
    at_least: Bound = -math.inf,
    above: Bound = -math.inf,
    at_most: Bound = math.inf,
    below: Bound = math.inf,
) -> bool:
    """Returns whether all that is between `low` and `high` meets the bounds."""
    least, lower, most, upper = map(_number, (at_least, above, at_most, below))
    return least <= low and lower < low and high <= most and high < upper


def _number(bound: Bound) -> float:
    return float(Fraction(bound)) if isinstance(bound, str) else bound


def by_seed(records: Records, value: str) -> dict[Coordinate, float]:
    """Returns the value of every seed that has one; the records have one per seed."""
    return {
        record.coordinates["seed"]: found
        for record in records
        if (found := record.values.get(value)) is not None
    }


def differences(first: Records, second: Records, value: str) -> list[float]:
    """Returns the value in `first` less that in `second`, for every seed that both have."""
    others = by_seed(second, value)
    return [found - others[seed] for seed, found in by_seed(first, value).items() if seed in others]


def _means(records: Records, value: str, where: Where, label: str = "") -> list[Figure] | None:
    """Returns a figure for every place of `where`, or None if one has no records."""
    figures = []
    for said, place in places(where):
        found = records.where(**place).values(value)
        if not found:
            return None
        figures.append(Figure.of(said or label, found))
    return figures

"""Criteria of the study: functions of the records that say whether a claim holds.

Recovered accuracy is the share of the ticket's gain over the best constant predictor. A ticket
that works recovers two thirds of it or more, and what failed a third or less; means over
seeds are compared. These bounds were set before the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plantkit.research.studies.claims import Evidence, Figure
from plantkit.research.studies.plant_n_seek.grid import NOISE, TASKS, WIDTH
from plantkit.research.studies.records import Records

WORKS = 2 / 3
FAILS = 1 / 3
PLANTED = "planted"

#: Published ticket densities, weights only, by depth; and how they are rounded there.
TICKET_DENSITIES = {
    3: ({"circle": 0.167, "relu": 0.010, "helix": 0.288}, 0.0005),
    5: ({"circle": 0.0052, "relu": 0.0002, "helix": 0.0059}, 0.00005),
}


def at(records: Records, density: float | str, **where: Any) -> Records:
    """Returns the records of a density, a number or "planted", on the standard network kind."""
    wanted: dict[str, Any] = {"depth": 5, "width": WIDTH, "noise": NOISE, **where}
    if density == PLANTED:
        return records.where(**wanted, is_planted=True)
    return records.where(**wanted, is_planted=False, density=density)


def figures_at(
    records: Records,
    value: str,
    *,
    tasks: Sequence[str],
    methods: Sequence[str],
    densities: Sequence[float | str],
    **where: Any,
) -> list[Figure] | None:
    """Returns a figure for every task, method and density, or None if one has no records."""
    figures = []
    for task in tasks:
        for method in methods:
            for density in densities:
                found = at(records, density, task=task, pruner=method, **where).values(value)
                if not found:
                    return None
                figures.append(Figure.of(f"{task} {method} {density}", found))
    return figures


def each(
    value: str,
    holds: Callable[[float], bool],
    *,
    worst: Callable[[Sequence[Figure]], Figure] | None = None,
    **where: Any,
) -> Callable[[Records], Evidence]:
    """Returns a criterion: the mean of every figure `holds`.

    worst: of many figures, shows the one of every task that speaks most against the claim.
    """

    def judge(records: Records) -> Evidence:
        figures = figures_at(records, value, **where)
        if figures is None:
            return Evidence(holds=None)
        shown = figures
        if worst is not None:
            shown = [
                worst([figure for figure in figures if figure.label.split()[0] == task])
                for task in where["tasks"]
            ]
        return Evidence(holds=all(holds(figure.mean) for figure in figures), figures=tuple(shown))

    return judge


def highest(figures: Sequence[Figure]) -> Figure:
    return max(figures, key=lambda figure: figure.mean)


def lowest(figures: Sequence[Figure]) -> Figure:
    return min(figures, key=lambda figure: figure.mean)


def works(mean: float) -> bool:
    return mean >= WORKS


def works_not(mean: float) -> bool:
    return mean < WORKS


def fails(mean: float) -> bool:
    return mean <= FAILS


def ticket_densities(depth: int) -> Callable[[Records], Evidence]:
    published, half_digit = TICKET_DENSITIES[depth]

    def judge(records: Records) -> Evidence:
        figures = figures_at(
            records,
            "nominal_weight_density",
            tasks=TASKS,
            methods=["reference"],
            densities=[PLANTED],
            depth=depth,
        )
        if figures is None:
            return Evidence(holds=None)
        holds = all(
            abs(figure.mean - published[task]) <= half_digit + 1e-9  # 0.2875 is printed 0.288
            for task, figure in zip(TASKS, figures, strict=True)
        )
        return Evidence(holds=holds, figures=tuple(figures))

    return judge


def difference(
    value: str,
    most: float,
    *,
    base: dict[str, Any],
    other: dict[str, Any],
    densities: Sequence[float | str],
    both_ways: bool = False,
    **where: Any,
) -> Callable[[Records], Evidence]:
    """Returns a criterion: `other` is above `base` by at most `most`, at every density.

    both_ways: it is below by at most `most`, too.
    """

    def judge(records: Records) -> Evidence:
        figures: list[Figure] = []
        holds = True
        for density in densities:
            pair = [at(records, density, **{**where, **one}).values(value) for one in (base, other)]
            if not all(pair):
                return Evidence(holds=None)
            first, second = (
                Figure.of(f"{_name(one)} {density}", found)
                for one, found in zip((base, other), pair, strict=True)
            )
            gap = second.mean - first.mean
            holds = holds and (abs(gap) if both_ways else gap) <= most
            figures += [first, second]
        return Evidence(holds=holds, figures=tuple(figures))

    return judge


def _name(where: dict[str, Any]) -> str:
    return " ".join(
        str(value) if isinstance(value, str) else f"{name} {value:g}"
        for name, value in where.items()
    )


def all_of(*judges: Callable[[Records], Evidence]) -> Callable[[Records], Evidence]:
    """Returns a criterion that holds if all do; not tested if one is not."""

    def judge(records: Records) -> Evidence:
        found = [one(records) for one in judges]
        if any(evidence.holds is None for evidence in found):
            return Evidence(holds=None)
        return Evidence(
            holds=all(evidence.holds for evidence in found),
            figures=tuple(figure for evidence in found for figure in evidence.figures),
        )

    return judge


def widest(judges: Sequence[Callable[[Records], Evidence]]) -> Callable[[Records], Evidence]:
    """Returns a criterion that holds if all do, which compare two figures each; it shows the
    two that are furthest apart."""

    def judge(records: Records) -> Evidence:
        found = [one(records) for one in judges]
        if any(evidence.holds is None for evidence in found):
            return Evidence(holds=None)
        furthest = max(
            found, key=lambda evidence: abs(evidence.figures[0].mean - evidence.figures[1].mean)
        )
        return Evidence(holds=all(evidence.holds for evidence in found), figures=furthest.figures)

    return judge


def ticket_classifies(records: Records) -> Evidence:
    found = at(records, PLANTED, task="circle", pruner="reference").values("strong")
    if not found:
        return Evidence(holds=None)
    figure = Figure.of("untrained accuracy", found)
    return Evidence(holds=abs(figure.mean - 0.986) <= 0.005, figures=(figure,))

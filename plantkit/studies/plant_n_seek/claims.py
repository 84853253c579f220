"""What the paper states, with the criterion by which we call it reproduced.

Recovered accuracy is the share of the ticket's gain over the best constant predictor. A ticket
that works recovers two thirds of it or more, and what failed a third or less; means over
seeds are compared. These bounds were set before the runs.

Source: "Plant 'n' Seek", arXiv 2111.11153; its figures and sections are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from plantkit.studies.claims import Claim, Evidence, Figure
from plantkit.studies.plant_n_seek.grid import DENSITIES, NOISE, TASKS, WIDTH
from plantkit.studies.plant_n_seek.methods import Schedule, methods_with
from plantkit.studies.records import Records

WORKS = 2 / 3
FAILS = 1 / 3
PLANTED = "planted"

_SINGLE = methods_with(Schedule.SINGLE)
_ONE_ROUND = tuple(name for name in _SINGLE if name != "synflow-100")
_SPARSE = ("magnitude", "snip", "synflow")

#: Published ticket densities, weights only, by depth; and how they are rounded there.
_DENSITIES = {
    3: ({"circle": 0.167, "relu": 0.010, "helix": 0.288}, 0.0005),
    5: ({"circle": 0.0052, "relu": 0.0002, "helix": 0.0059}, 0.00005),
}


def at(records: Records, density: float | str, **where: Any) -> Records:
    """Returns the records of a density, a number or "planted", on the standard network kind."""
    wanted: dict[str, Any] = {"depth": 5, "width": WIDTH, "noise": NOISE, **where}
    if density == PLANTED:
        return records.where(**wanted, is_planted=True)
    return records.where(**wanted, is_planted=False, density=density)


def _figures(
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


def _each(
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
        figures = _figures(records, value, **where)
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


def _highest(figures: Sequence[Figure]) -> Figure:
    return max(figures, key=lambda figure: figure.mean)


def _lowest(figures: Sequence[Figure]) -> Figure:
    return min(figures, key=lambda figure: figure.mean)


def _works(mean: float) -> bool:
    return mean >= WORKS


def _works_not(mean: float) -> bool:
    return mean < WORKS


def _fails(mean: float) -> bool:
    return mean <= FAILS


def _ticket_densities(depth: int) -> Callable[[Records], Evidence]:
    published, half_digit = _DENSITIES[depth]

    def judge(records: Records) -> Evidence:
        figures = _figures(
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
            abs(figure.mean - published[task]) <= half_digit
            for task, figure in zip(TASKS, figures, strict=True)
        )
        return Evidence(holds=holds, figures=tuple(figures))

    return judge


def _difference(
    value: str,
    most: float,
    *,
    base: dict[str, Any],
    other: dict[str, Any],
    densities: Sequence[float | str],
    **where: Any,
) -> Callable[[Records], Evidence]:
    """Returns a criterion: `other` is above `base` by at most `most`; both ways for `where`
    "both_ways"."""
    both_ways = where.pop("both_ways", False)

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
            difference = second.mean - first.mean
            holds = holds and (abs(difference) if both_ways else difference) <= most
            figures += [first, second]
        return Evidence(holds=holds, figures=tuple(figures))

    return judge


def _name(where: dict[str, Any]) -> str:
    return " ".join(
        str(value) if isinstance(value, str) else f"{name} {value:g}"
        for name, value in where.items()
    )


def _all_of(*judges: Callable[[Records], Evidence]) -> Callable[[Records], Evidence]:
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


def _ticket_classifies(records: Records) -> Evidence:
    found = at(records, PLANTED, task="circle", pruner="reference").values("strong")
    if not found:
        return Evidence(holds=None)
    figure = Figure.of("untrained accuracy", found)
    return Evidence(holds=abs(figure.mean - 0.986) <= 0.005, figures=(figure,))


def _claims() -> Iterator[Claim]:
    for depth in (3, 5):
        published, _ = _DENSITIES[depth]
        yield Claim(
            id=f"ticket-density-{depth}",
            claim=f"The tickets' densities at {depth}x100, weights only, are "
            + ", ".join(f"{value:g} ({task})" for task, value in published.items()),
            source="section 4",
            criterion="equal in the digits printed",
            judge=_ticket_densities(depth),
        )
    yield Claim(
        id="ticket-accuracy",
        claim="The circle 5x100 ticket classifies 98.6% of test samples untrained",
        source="section 4",
        criterion="the mean is within 0.5 points",
        judge=_ticket_classifies,
    )
    yield Claim(
        id="single-no-strong",
        claim="Single shot, no pruner finds a strong ticket",
        source="Fig. 3, left",
        criterion="untrained, every mean over seeds recovers below 2/3, at density 0.5 and below",
        judge=_each(
            "recovered_strong",
            _works_not,
            worst=_highest,
            tasks=TASKS,
            methods=_ONE_ROUND,
            densities=[PLANTED, *DENSITIES],
            schedule="single",
        ),
    )
    yield Claim(
        id="single-weak",
        claim="Single shot, every pruner, random included, finds weak tickets of density 0.5 and "
        "0.1 on circle and relu",
        source="Fig. 3, right",
        criterion="trained, every mean recovers 2/3 or more",
        judge=_each(
            "recovered_weak",
            _works,
            worst=_lowest,
            tasks=["circle", "relu"],
            methods=_ONE_ROUND,
            densities=[0.1, 0.5],
            schedule="single",
        ),
    )
    for task in TASKS:
        yield Claim(
            id=f"single-collapse-{task}",
            claim=f"Single shot, every pruner fails on {task} at density 0.01 and the planted one",
            source="Fig. 3, right",
            criterion="trained, every mean recovers 1/3 or less",
            judge=_each(
                "recovered_weak",
                _fails,
                tasks=[task],
                methods=_ONE_ROUND,
                densities=[PLANTED, 0.01],
                schedule="single",
            ),
        )
    yield Claim(
        id="synflow-100",
        claim="SynFlow with 100 rounds is barely better than with one",
        source="section 5",
        criterion="circle, trained, density 0.01 and planted: recovers at most 0.2 more",
        judge=_difference(
            "recovered_weak",
            0.2,
            base={"pruner": "synflow"},
            other={"pruner": "synflow-100"},
            densities=[PLANTED, 0.01],
            task="circle",
            schedule="single",
        ),
    )
    yield Claim(
        id="depth-10",
        claim="The same holds at depth 10: weak tickets at 0.1 and above, none at 0.01 and below",
        source="appendix",
        criterion="circle and relu, trained: every mean 2/3 or more at 0.5 and 0.1, 1/3 or less "
        "at 0.01 and planted",
        judge=_all_of(
            _each(
                "recovered_weak",
                _works,
                worst=_lowest,
                tasks=["circle", "relu"],
                methods=_ONE_ROUND,
                densities=[0.1, 0.5],
                schedule="single",
                depth=10,
            ),
            _each(
                "recovered_weak",
                _fails,
                worst=_highest,
                tasks=["circle", "relu"],
                methods=_ONE_ROUND,
                densities=[PLANTED, 0.01],
                schedule="single",
                depth=10,
            ),
        ),
    )
    yield Claim(
        id="depth-3",
        claim="At depth 3 pruning fails at low density",
        source="appendix",
        criterion="circle, trained, density 0.1 and 0.01: every mean recovers below 2/3",
        judge=_each(
            "recovered_weak",
            _works_not,
            worst=_highest,
            tasks=["circle"],
            methods=_ONE_ROUND,
            densities=[0.01, 0.1],
            schedule="single",
            depth=3,
        ),
    )
    yield Claim(
        id="width-1000",
        claim="A width of 1000 changes little",
        source="appendix",
        criterion="circle, magnitude, trained, at 0.5 and 0.1: means differ by 0.1 or less",
        judge=_difference(
            "recovered_weak",
            0.1,
            both_ways=True,
            base={"width": WIDTH},
            other={"width": 1000},
            densities=[0.1, 0.5],
            task="circle",
            pruner="magnitude",
            schedule="single",
        ),
    )
    yield Claim(
        id="noise",
        claim="Label noise up to 0.1 changes little",
        source="appendix",
        criterion="circle, every pruner, trained, at 0.5 and 0.1: recovered accuracy differs by "
        "0.1 or less between noise 0.01 and 0.1",
        judge=_all_of(
            *(
                _difference(
                    "recovered_weak",
                    0.1,
                    both_ways=True,
                    base={"pruner": method, "noise": NOISE},
                    other={"pruner": method, "noise": 0.1},
                    densities=[0.1, 0.5],
                    task="circle",
                    schedule="single",
                )
                for method in _ONE_ROUND
            )
        ),
    )
    yield Claim(
        id="multishot-sparser",
        claim="Multishot, magnitude, SNIP and SynFlow find much sparser weak tickets",
        source="Fig. 4, right",
        criterion="circle and relu, trained, density 0.01: every mean recovers 2/3 or more",
        judge=_each(
            "recovered_weak",
            _works,
            tasks=["circle", "relu"],
            methods=_SPARSE,
            densities=[0.01],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-synflow",
        claim="Multishot, SynFlow reaches the planted density on circle",
        source="Fig. 4, right",
        criterion="trained, the mean at the planted density recovers 2/3 or more",
        judge=_each(
            "recovered_weak",
            _works,
            tasks=["circle"],
            methods=["synflow"],
            densities=[PLANTED],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-helix",
        claim="Multishot, moderate densities on helix",
        source="Fig. 4, right",
        criterion="magnitude, SNIP and SynFlow, trained, density 0.1: every mean recovers 2/3 or "
        "more",
        judge=_each(
            "recovered_weak",
            _works,
            tasks=["helix"],
            methods=_SPARSE,
            densities=[0.1],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-grasp",
        claim="Multishot, GraSP collapses early",
        source="Fig. 4, right",
        criterion="trained, density 0.01, every task: the mean recovers 1/3 or less",
        judge=_each(
            "recovered_weak",
            _fails,
            tasks=TASKS,
            methods=["grasp"],
            densities=[0.01],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-no-strong",
        claim="Multishot, no pruner finds a strong ticket",
        source="Fig. 4, left",
        criterion="untrained, every mean recovers below 2/3, at density 0.5 and below",
        judge=_each(
            "recovered_strong",
            _works_not,
            worst=_highest,
            tasks=TASKS,
            methods=methods_with(Schedule.MULTISHOT),
            densities=[PLANTED, *DENSITIES],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="edge-popup",
        claim="Edge-popup finds a strong ticket on circle at density 0.5",
        source="section 5",
        criterion="the published rule, untrained: the mean recovers 2/3 or more",
        judge=_each(
            "recovered_strong",
            _works,
            tasks=["circle"],
            methods=["edge-popup"],
            densities=[0.5],
            schedule="constant",
        ),
    )
    yield Claim(
        id="edge-popup-annealed",
        claim="Annealed, edge-popup finds a reasonable strong ticket on circle at density 0.1",
        source="section 5",
        criterion="the published rule, untrained: the mean recovers half or more",
        judge=_each(
            "recovered_strong",
            lambda mean: mean >= 0.5,
            tasks=["circle"],
            methods=["edge-popup"],
            densities=[0.1],
            schedule="annealed",
        ),
    )
    yield Claim(
        id="edge-popup-regression",
        claim="Edge-popup finds nothing on regression",
        source="section 5",
        criterion="the published rule, with and without annealing, untrained, relu and helix: "
        "every mean recovers 1/3 or less",
        judge=_all_of(
            *(
                _each(
                    "recovered_strong",
                    _fails,
                    worst=_highest,
                    tasks=["relu", "helix"],
                    methods=["edge-popup"],
                    densities=[PLANTED, *DENSITIES],
                    schedule=schedule,
                )
                for schedule in ("constant", "annealed")
            )
        ),
    )


CLAIMS: tuple[Claim, ...] = tuple(_claims())

"""What the paper states, with the criterion by which we call it reproduced.

All from "Plant 'n' Seek", arXiv 2111.11153; the source says by which of its experiments.
"""

from __future__ import annotations

from collections.abc import Iterator

from plantkit.research.studies.claims import Claim
from plantkit.research.studies.plant_n_seek.criteria import (
    PLANTED,
    TICKET_DENSITIES,
    all_of,
    difference,
    each,
    fails,
    highest,
    lowest,
    ticket_classifies,
    ticket_densities,
    widest,
    works,
    works_not,
)
from plantkit.research.studies.plant_n_seek.grid import DENSITIES, NOISE, TASKS, WIDTH
from plantkit.research.studies.plant_n_seek.methods import Schedule, methods_with

_SINGLE = methods_with(Schedule.SINGLE)
_ONE_ROUND = tuple(name for name in _SINGLE if name != "synflow-100")
_SPARSE = ("magnitude", "snip", "synflow")


def _claims() -> Iterator[Claim]:
    for depth in (3, 5):
        published, _ = TICKET_DENSITIES[depth]
        yield Claim(
            id=f"ticket-density-{depth}",
            claim=f"The tickets' densities at {depth}x100, weights only, are "
            + ", ".join(f"{value:g} ({task})" for task, value in published.items()),
            source="planted tickets",
            criterion="equal in the digits printed",
            judge=ticket_densities(depth),
        )
    yield Claim(
        id="ticket-accuracy",
        claim="The circle 5x100 ticket classifies 98.6% of test samples untrained",
        source="planted tickets",
        criterion="the mean is within 0.5 points",
        judge=ticket_classifies,
    )
    yield Claim(
        id="single-no-strong",
        claim="Single shot, no pruner finds a strong ticket",
        source="single-shot experiments",
        criterion="untrained, every mean over seeds recovers below 2/3, at density 0.5 and below",
        judge=each(
            "recovered_strong",
            works_not,
            worst=highest,
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
        source="single-shot experiments",
        criterion="trained, every mean recovers 2/3 or more",
        judge=each(
            "recovered_weak",
            works,
            worst=lowest,
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
            source="single-shot experiments",
            criterion="trained, every mean recovers 1/3 or less",
            judge=each(
                "recovered_weak",
                fails,
                worst=highest,
                tasks=[task],
                methods=_ONE_ROUND,
                densities=[PLANTED, 0.01],
                schedule="single",
            ),
        )
    yield Claim(
        id="synflow-100",
        claim="SynFlow with 100 rounds is barely better than with one",
        source="single-shot experiments",
        criterion="circle, trained, density 0.01 and planted: recovers at most 0.2 more",
        judge=difference(
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
        source="single-shot experiments, varied",
        criterion="circle and relu, trained: every mean 2/3 or more at 0.5 and 0.1, 1/3 or less "
        "at 0.01 and planted",
        judge=all_of(
            each(
                "recovered_weak",
                works,
                worst=lowest,
                tasks=["circle", "relu"],
                methods=_ONE_ROUND,
                densities=[0.1, 0.5],
                schedule="single",
                depth=10,
            ),
            each(
                "recovered_weak",
                fails,
                worst=highest,
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
        source="single-shot experiments, varied",
        criterion="circle, trained, density 0.1 and 0.01: every mean recovers below 2/3",
        judge=each(
            "recovered_weak",
            works_not,
            worst=highest,
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
        source="single-shot experiments, varied",
        criterion="circle, magnitude, trained, at 0.5 and 0.1: means differ by 0.1 or less",
        judge=difference(
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
        source="single-shot experiments, varied",
        criterion="circle, every pruner, trained, at 0.5 and 0.1: recovered accuracy differs by "
        "0.1 or less between noise 0.01 and 0.1",
        judge=widest(
            [
                difference(
                    "recovered_weak",
                    0.1,
                    both_ways=True,
                    base={"pruner": method, "noise": NOISE},
                    other={"pruner": method, "noise": 0.1},
                    densities=[density],
                    task="circle",
                    schedule="single",
                )
                for method in _ONE_ROUND
                for density in (0.1, 0.5)
            ]
        ),
    )
    yield Claim(
        id="multishot-sparser",
        claim="Multishot, magnitude, SNIP and SynFlow find much sparser weak tickets",
        source="multishot experiments",
        criterion="circle and relu, trained, density 0.01: every mean recovers 2/3 or more",
        judge=each(
            "recovered_weak",
            works,
            tasks=["circle", "relu"],
            methods=_SPARSE,
            densities=[0.01],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-synflow",
        claim="Multishot, SynFlow reaches the planted density on circle",
        source="multishot experiments",
        criterion="trained, the mean at the planted density recovers 2/3 or more",
        judge=each(
            "recovered_weak",
            works,
            tasks=["circle"],
            methods=["synflow"],
            densities=[PLANTED],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-helix",
        claim="Multishot, moderate densities on helix",
        source="multishot experiments",
        criterion="magnitude, SNIP and SynFlow, trained, density 0.1: every mean recovers 2/3 or "
        "more",
        judge=each(
            "recovered_weak",
            works,
            tasks=["helix"],
            methods=_SPARSE,
            densities=[0.1],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-grasp",
        claim="Multishot, GraSP collapses early",
        source="multishot experiments",
        criterion="trained, density 0.01, every task: the mean recovers 1/3 or less",
        judge=each(
            "recovered_weak",
            fails,
            tasks=TASKS,
            methods=["grasp"],
            densities=[0.01],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="multishot-no-strong",
        claim="Multishot, no pruner finds a strong ticket",
        source="multishot experiments",
        criterion="untrained, every mean recovers below 2/3, at density 0.5 and below",
        judge=each(
            "recovered_strong",
            works_not,
            worst=highest,
            tasks=TASKS,
            methods=methods_with(Schedule.MULTISHOT),
            densities=[PLANTED, *DENSITIES],
            schedule="multishot",
        ),
    )
    yield Claim(
        id="edge-popup",
        claim="Edge-popup finds a strong ticket on circle at density 0.5",
        source="edge-popup experiments",
        criterion="the published rule, untrained: the mean recovers 2/3 or more",
        judge=each(
            "recovered_strong",
            works,
            tasks=["circle"],
            methods=["edge-popup"],
            densities=[0.5],
            schedule="constant",
        ),
    )
    yield Claim(
        id="edge-popup-annealed",
        claim="Annealed, edge-popup finds a reasonable strong ticket on circle at density 0.1",
        source="edge-popup experiments",
        criterion="the published rule, untrained: the mean recovers half or more",
        judge=each(
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
        source="edge-popup experiments",
        criterion="the published rule, with and without annealing, untrained, relu and helix: "
        "every mean recovers 1/3 or less",
        judge=all_of(
            *(
                each(
                    "recovered_strong",
                    fails,
                    worst=highest,
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

"""The paper's grid, and a small one: which networks are pruned how, how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plantkit.research.studies.plant_n_seek.methods import REFERENCE, Schedule, methods_with
from plantkit.research.studies.records import Coordinate

TASKS = ("circle", "relu", "helix")
DEPTHS = (5, 3, 6, 10)
WIDTH = 100
WIDE = 1000
NOISE = 0.01
OTHER_NOISES = (0.0, 0.001, 0.1)
#: Densities beside the planted one. The dense network is among the reference runs.
DENSITIES = (0.01, 0.1, 0.5)

#: Repetitions of the paper.
SINGLE_SEEDS = 25
MULTISHOT_SEEDS = 10

_QUICK_SINGLE_SEEDS = 3
_QUICK_MULTISHOT_SEEDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The kind of a planted network. noise: see `Family.default_noise`."""

    task: str
    depth: int = 5
    width: int = WIDTH
    noise: float = NOISE


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Networks of one kind, pruned by all methods of a schedule, each with so many seeds."""

    place: Place
    schedule: Schedule
    seeds: int


def experiments(*, quick: bool) -> list[Experiment]:
    """Returns the experiments of the quick or the full grid, the more telling ones first."""
    return list(_quick() if quick else _full())


def coordinates(grid: Sequence[Experiment], seeds: int | None) -> list[dict[str, Coordinate]]:
    """Returns the coordinates of all runs, each once: all first seeds, then all second ones."""
    runs: dict[tuple[Coordinate, ...], dict[str, Coordinate]] = {}
    most = max(experiment.seeds for experiment in grid) if seeds is None else seeds
    for seed in range(most):
        for experiment in grid:
            if seeds is None and seed >= experiment.seeds:
                continue
            where = experiment.place
            for schedule, method in [
                (Schedule.NONE, REFERENCE),
                *((experiment.schedule, name) for name in methods_with(experiment.schedule)),
            ]:
                run: dict[str, Coordinate] = {
                    "task": where.task,
                    "depth": where.depth,
                    "width": where.width,
                    "noise": where.noise,
                    "schedule": str(schedule),
                    "pruner": method,
                    "seed": seed,
                }
                runs.setdefault(tuple(run.values()), run)
    return list(runs.values())


def _full() -> Iterator[Experiment]:
    places = [
        *(Place(task=task, depth=depth) for depth in DEPTHS for task in TASKS),
        *(Place(task="circle", noise=noise) for noise in OTHER_NOISES),
        Place(task="circle", width=WIDE),
    ]
    for place in places:
        yield Experiment(place=place, schedule=Schedule.SINGLE, seeds=SINGLE_SEEDS)
        yield Experiment(place=place, schedule=Schedule.MULTISHOT, seeds=MULTISHOT_SEEDS)
    yield from _learnt(MULTISHOT_SEEDS)


def _quick() -> Iterator[Experiment]:
    places = [
        *(Place(task=task) for task in TASKS),
        *(Place(task=task, depth=3) for task in TASKS),
        Place(task="circle", noise=0.1),
    ]
    for place in places:
        yield Experiment(place=place, schedule=Schedule.SINGLE, seeds=_QUICK_SINGLE_SEEDS)
    for task in TASKS:
        yield Experiment(
            place=Place(task=task), schedule=Schedule.MULTISHOT, seeds=_QUICK_MULTISHOT_SEEDS
        )
    yield from _learnt(_QUICK_MULTISHOT_SEEDS)


def _learnt(seeds: int) -> Iterator[Experiment]:
    for task in TASKS:
        for schedule in (Schedule.CONSTANT, Schedule.ANNEALED):
            yield Experiment(place=Place(task=task), schedule=schedule, seeds=seeds)

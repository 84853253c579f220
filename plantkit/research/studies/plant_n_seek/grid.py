"""The paper's grid and a small one: which networks are pruned, how, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from plantkit.networks import PerceptronSpec
from plantkit.planting import TARGETS, TargetFamily
from plantkit.research.studies.plant_n_seek.methods import NO_SCHEDULE, REFERENCE, methods_with
from plantkit.research.studies.records import Coordinate, Coordinates

TASKS = ("circle", "relu", "helix")
DEPTHS = (5, 3, 6, 10)
WIDTH = 100
WIDE = 1000
NOISE = 0.01
OTHER_NOISES = (0.0, 0.001, 0.1)
#: Densities besides the planted one. The dense network is among the reference runs.
DENSITIES = (0.01, 0.1, 0.5)

#: Repetitions of the paper.
SINGLE_SEEDS = 25
MULTISHOT_SEEDS = 10

_QUICK_SINGLE_SEEDS = 3
_QUICK_MULTISHOT_SEEDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A kind of planted networks. noise: see `Family.default_noise`."""

    task: str
    depth: int = 5
    width: int = WIDTH
    noise: float = NOISE

    @classmethod
    def of(cls, coordinates: Coordinates) -> Place:
        """Returns the kind of network that a unit's coordinates name."""
        return cls(
            task=str(coordinates["task"]),
            depth=int(coordinates["depth"]),
            width=int(coordinates["width"]),
            noise=float(coordinates["noise"]),
        )

    @property
    def family(self) -> TargetFamily:
        """What is planted."""
        return TARGETS[self.task]

    @property
    def network(self) -> PerceptronSpec:
        """What it is planted into."""
        return PerceptronSpec.uniform(
            depth=self.depth,
            width=self.width,
            inputs=self.family.inputs,
            outputs=self.family.outputs,
        )

    @property
    def nominal_weight_density(self) -> float:
        """The ticket's density as constructed, weights only: what the paper prints."""
        return self.family.build(self.depth).count.weight_density(self.network)


#: Networks of one kind, pruned by all methods of a schedule, each with so many seeds.
Experiment = tuple[Place, str, int]


def grid(*, quick: bool, seeds: int | None) -> list[Coordinates]:
    """Returns the coordinates of all runs, each once: all first seeds, then all second ones.

    seeds: of every experiment; None for as many as it states.
    """
    experiments = list(_quick() if quick else _full())
    runs: dict[tuple[Coordinate, ...], Coordinates] = {}
    for seed in range(max(count for _, _, count in experiments) if seeds is None else seeds):
        for place, own_schedule, count in experiments:
            if seeds is None and seed >= count:
                continue
            methods = [(own_schedule, name) for name in methods_with(own_schedule)]
            for schedule, method in [(NO_SCHEDULE, REFERENCE), *methods]:
                run = {**asdict(place), "schedule": schedule, "pruner": method, "seed": seed}
                runs.setdefault(tuple(run.values()), run)
    return list(runs.values())


def _full() -> Iterator[Experiment]:
    """Yields the paper's experiments, the more telling ones first."""
    places = [
        *(Place(task=task, depth=depth) for depth in DEPTHS for task in TASKS),
        *(Place(task="circle", noise=noise) for noise in OTHER_NOISES),
        Place(task="circle", width=WIDE),
    ]
    for place in places:
        yield place, "single", SINGLE_SEEDS
        yield place, "multishot", MULTISHOT_SEEDS
    yield from _learnt(MULTISHOT_SEEDS)


def _quick() -> Iterator[Experiment]:
    places = [
        *(Place(task=task, depth=depth) for depth in (5, 3) for task in TASKS),
        Place(task="circle", noise=0.1),
    ]
    for place in places:
        yield place, "single", _QUICK_SINGLE_SEEDS
    for task in TASKS:
        yield Place(task=task), "multishot", _QUICK_MULTISHOT_SEEDS
    yield from _learnt(_QUICK_MULTISHOT_SEEDS)


def _learnt(seeds: int) -> Iterator[Experiment]:
    for task in TASKS:
        for schedule in ("constant", "annealed"):
            yield Place(task=task), schedule, seeds

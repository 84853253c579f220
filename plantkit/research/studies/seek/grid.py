"""The cases of the study: which networks are searched, by what, and for how long."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from plantkit.networks import PerceptronSpec
from plantkit.networks.training import Samples
from plantkit.planting import Family, default_method, draw_samples, find_family, generator
from plantkit.research.studies.planted import PlantedProblem, planted_problem, samples_of
from plantkit.research.studies.records import Coordinates

_SEED_DOMAIN = "plantkit-study-seek-1"
_TEST_SAMPLES = 2000

#: The searches, each with its effort in the map: thousands of masks of `annealing`, CPU seconds of
#: `seek`, trainings by the kit's recipe of `gates`.
SEARCHES: Mapping[str, int] = {"annealing": 300, "seek": 3, "gates": 2}
SEEDS, QUICK_SEEDS = 20, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A search in a kind of planted networks: coordinates of a unit, apart from the seed.

    units, degree: of the ticket, per hidden layer and hidden unit; see `TeacherFamily`.
    noise: standard deviation added to the targets of the training data.
    pruner, effort: the search and its option.
    """

    depth: int = 3
    width: int = 16
    units: int = 4
    degree: int = 2
    samples: int = 2000
    noise: float = 0.0
    pruner: str = "annealing"
    effort: int = SEARCHES["annealing"]

    @classmethod
    def of(cls, coordinates: Coordinates) -> Case:
        """Returns the case that a unit's coordinates name."""
        return cls(**{name: coordinates[name] for name in cls.__slots__})  # type: ignore[arg-type]

    @property
    def family(self) -> Family:
        """What is planted."""
        return find_family("teacher").with_dials(
            {"units": str(self.units), "in_degree": str(self.degree)}
        )

    @property
    def network(self) -> PerceptronSpec:
        """What it is planted into."""
        family = self.family
        return PerceptronSpec.uniform(
            depth=self.depth, width=self.width, inputs=family.inputs, outputs=family.outputs
        )


#: Lines start here, and change one coordinate.
BASE = Case()
#: Coordinate and search, to values in the quick grid and to further ones in the full grid.
LINES: Mapping[tuple[str, str], tuple[Sequence[float], Sequence[float]]] = {
    ("degree", "annealing"): ((3, 4), ()),
    ("samples", "annealing"): ((20, 100, 500), (50,)),
    ("noise", "annealing"): ((0.01, 0.1), (0.001, 0.03)),
    ("effort", "annealing"): ((10, 100), (30, 1000, 10000)),
    ("effort", "seek"): ((1, 10), (30, 100, 300, 3600)),
}


def cases(*, quick: bool) -> list[Case]:
    """Returns the map, then the lines; each case once."""
    depths, widths = ((3, 4), (8, 16, 32)) if quick else ((3, 4, 5), (8, 16, 32, 64, 100))
    found = [
        replace(BASE, depth=depth, width=width, units=units, pruner=pruner, effort=effort)
        for depth in depths
        for width in widths
        for units in (4, 8)
        for pruner, effort in SEARCHES.items()
    ]
    for (name, pruner), (short, rest) in LINES.items():
        values = short if quick else sorted({*short, *rest})
        found += [replace(_start(pruner), **{name: value}) for value in values]  # type: ignore[arg-type]
    return list(dict.fromkeys(found))


def in_map(case: Case) -> bool:
    """Returns whether a case belongs to the map."""
    placed = replace(BASE, depth=case.depth, width=case.width, units=case.units)
    return case == replace(placed, pruner=case.pruner, effort=SEARCHES[case.pruner])


def on_line(case: Case, name: str, pruner: str) -> bool:
    """Returns whether a case is `BASE`, searched by `pruner`, or differs in `name` alone."""
    start = _start(pruner)
    return replace(case, **{name: getattr(start, name)}) == start


def _start(pruner: str) -> Case:
    return replace(BASE, pruner=pruner, effort=SEARCHES[pruner])


def plant_problem(case: Case, seed: int) -> PlantedProblem:
    """Returns the instance of a case and a seed, always the same, with noise-free test data.

    Cases that differ in pruner, effort, noise or samples have the same networks.

    Raises:
        UsageError: the network is too narrow for the ticket.
        PlantingError: no ticket passed the gates.
    """
    kind = f"{case.depth}x{case.width}-{case.units}-{case.degree}-{seed}"
    key = hashlib.sha256(f"{_SEED_DOMAIN}\n{kind}".encode()).digest()
    family = case.family
    planted = default_method(family).plant(family, case.network, seed=key)

    def draw(stream: str, count: int, noise: float) -> Samples:
        rng = generator(key, stream)
        return samples_of(*draw_samples(planted, family, rng, count, noise=noise))

    return planted_problem(
        f"seek-{kind}",
        family,
        planted,
        train=draw("data", case.samples, case.noise),
        test=draw("test data", _TEST_SAMPLES, 0.0),
    )

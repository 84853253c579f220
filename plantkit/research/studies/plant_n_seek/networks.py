"""A freshly planted network of the study, with its data: one for every seed."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from plantkit.planting import draw_samples, find_method, generator
from plantkit.research.studies.plant_n_seek.grid import Place
from plantkit.research.studies.planted import PlantedProblem, planted_problem, samples_of

_METHOD = "faithful"
_SEED_DOMAIN = "plantkit-study-plant-n-seek-1"
#: The paper draws 10,000 samples and holds out a tenth.
TRAIN_SAMPLES = 9000
TEST_SAMPLES = 1000


@lru_cache(maxsize=2)
def plant_problem(place: Place, seed: int) -> PlantedProblem:
    """Returns the network of `place` and `seed`, always the same, and its data.

    Raises:
        UsageError: the network is too shallow or too narrow for the task.
        PlantingError: no ticket passed the gates.
    """
    family = place.family
    name = f"{place.task}-{place.depth}x{place.width}-noise{place.noise:g}-{seed}"
    key = hashlib.sha256(f"{_SEED_DOMAIN}\n{name}".encode()).digest()
    planted = find_method(_METHOD).plant(family, place.network, seed=key)
    inputs, targets = draw_samples(
        planted, family, generator(key, "data"), TRAIN_SAMPLES + TEST_SAMPLES, noise=place.noise
    )
    return planted_problem(
        name,
        family,
        planted,
        train=samples_of(inputs[:TRAIN_SAMPLES], targets[:TRAIN_SAMPLES]),
        test=samples_of(inputs[TRAIN_SAMPLES:], targets[TRAIN_SAMPLES:]),
    )

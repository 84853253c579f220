"""Planting procedures, and many networks planted by one: in parallel, kept on disk."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

import plantkit.planting
from plantkit.challenges.bundles import Challenge
from plantkit.errors import UsageError
from plantkit.files import write_whole
from plantkit.networks import Network
from plantkit.networks.training.executors import LocalExecutor
from plantkit.planting import Family, ImageFamily, PlantingMethod, find_family, find_method
from plantkit.research.audit.samples import Sample

_TICKET = "ticket."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantingRecipe:
    """How networks are planted. An attacker who knows the kit can repeat all of it.

    Attributes:
        family: name of the family.
        spec: the mother network.
        method: name of the planting method.
        dials: of the family, name to text; those left out are as the family has them.
        data: directory of an image family's files; that in `PLANTKIT_DATA` if None.

    Raises:
        UnknownNameError: no such family or method.
        UsageError: no such dial, or the family has no files.
    """

    family: str
    spec: Network
    method: str = "faithful"
    dials: Mapping[str, str] = field(default_factory=dict)
    data: Path | None = None

    def __post_init__(self) -> None:
        self.find_family()
        find_method(self.method)

    @classmethod
    def of(cls, challenge: Challenge, *, data: Path | None = None) -> PlantingRecipe:
        """Returns the recipe of a bundle, from its manifest."""
        planting = challenge.manifest["planting"]
        find_family(challenge.family, bundle=challenge.id)
        return cls(
            family=challenge.family,
            spec=challenge.network,
            method=planting["method"],
            dials={name: str(value) for name, value in planting.get("dials", {}).items()},
            data=data,
        )

    @property
    def title(self) -> str:
        dials = "".join(f", {name}={value}" for name, value in self.dials.items())
        return f"{self.family}-{self.size}, {self.method} planting{dials}"

    @property
    def size(self) -> str:
        """The network's name in the family, or its sizes."""
        family = find_family(self.family)
        name = family.name_of(self.spec) if isinstance(family, ImageFamily) else None
        return name or self.spec.label

    def find_family(self) -> Family:
        """Returns the family, with its dials and its files."""
        family = find_family(self.family).with_dials(self.dials)
        return family.with_directory(self.data) if isinstance(family, ImageFamily) else family

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "network": self.spec.to_json(),
            "method": self.method,
            "dials": dict(self.find_family().dials),
        }


def sample_of(challenge: Challenge) -> Sample:
    """Returns a bundle's network and its true ticket."""
    return Sample(
        spec=challenge.network,
        parameters={name: value.numpy() for name, value in challenge.weights.items()},
        ticket={name: value.numpy() for name, value in challenge.truth.ticket.items()},
    )


def plant_samples(
    recipe: PlantingRecipe,
    count: int,
    *,
    role: str,
    seed: bytes,
    jobs: int = 1,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Sample]:
    """Returns `count` networks planted by `recipe`.

    Args:
        recipe: what to plant.
        count: how many networks.
        role: a word, such as `train`; networks of different roles are independent.
        seed: secret of all of them; network i gets SHA-256(seed, role, i).
        jobs: processes that plant at once.
        cache: directory that keeps the networks. Those of the same recipe, role and version of
            the planting code are used again, whatever seed they came from.
        progress: called with a line of text ten times or fewer.

    Raises:
        UsageError: `count` or `jobs` is not positive.
        PlantingError: no ticket passed the gates.
    """
    if count < 1 or jobs < 1:
        raise UsageError(f"got {count} networks and {jobs} jobs; expected at least 1 of each")
    paths = _paths(recipe, count, role, cache)
    if paths:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
    samples = {
        number: _load(recipe.spec, path) for number, path in enumerate(paths) if path.is_file()
    }
    missing = [number for number in range(count) if number not in samples]

    def keep(planted: tuple[int, Sample]) -> None:
        number, sample = planted
        samples[number] = sample
        if len(samples) % max(1, count // 10) == 0:
            progress(f"{len(samples)} of {count} planted")
        if paths:
            _save(sample, paths[number])

    with LocalExecutor(jobs) as executor:
        # Processes that are not forked know no plugin's families: they get the objects.
        method, family = find_method(recipe.method), recipe.find_family()
        plant = partial(_plant, method, family, recipe.spec, seed, role)
        executor.map(plant, missing, on_result=keep)
    return [samples[number] for number in range(count)]


def left_to_plant(recipe: PlantingRecipe, count: int, *, role: str, cache: Path | None) -> int:
    """Returns how many of `count` networks the cache does not have; see `plant_samples`."""
    return count - sum(path.is_file() for path in _paths(recipe, count, role, cache))


def _paths(recipe: PlantingRecipe, count: int, role: str, cache: Path | None) -> list[Path]:
    """Returns where the cache keeps each network, or nothing without a cache."""
    if cache is None:
        return []
    shelf = cache / _key(recipe)
    return [shelf / f"{role}-{number:04}.safetensors" for number in range(count)]


def _plant(
    method: PlantingMethod[Any], family: Family, spec: Network, seed: bytes, role: str, number: int
) -> tuple[int, Sample]:
    own = hashlib.sha256(seed + f"{role}-{number}".encode()).digest()
    return number, Sample.of(method.plant(family, spec, seed=own))


def _key(recipe: PlantingRecipe) -> str:
    """Returns a directory name that changes with the recipe and with the planting code."""
    digest = hashlib.sha256(json.dumps(recipe.to_json(), sort_keys=True).encode())
    for root in plantkit.planting.__path__:
        for path in sorted(Path(root).rglob("*.*")):
            if path.suffix in {".py", ".json"}:
                digest.update(path.read_bytes())
    for planter in (find_family(recipe.family), find_method(recipe.method)):
        for source in sorted({inspect.getfile(one) for one in type(planter).__mro__[:-1]}):
            digest.update(Path(source).read_bytes())  # a plugin's lies elsewhere
    return f"{recipe.family}-{recipe.size}-{recipe.method}-{digest.hexdigest()[:12]}"


def _save(sample: Sample, path: Path) -> None:
    ticket = {_TICKET + name: value.astype(np.uint8) for name, value in sample.ticket.items()}
    write_whole(path, save({**sample.parameters, **ticket}))


def _load(spec: Network, path: Path) -> Sample:
    tensors = load_file(path)
    return Sample(
        spec=spec,
        parameters={name: tensors[name] for name in spec.shapes},
        ticket={name: tensors[_TICKET + name] != 0 for name in spec.shapes},
    )

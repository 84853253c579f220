"""The evidence of an audit: every network's features, kept on disk, and its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import Network
from plantkit.planting.exposed.features import Codes, extract_features
from plantkit.planting.exposed.surroundings import look_around
from plantkit.planting.planted import PlantedNetwork
from plantkit.planting.targets import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exposed:
    """One network as an attacker sees it, and its features, in a file.

    Attributes:
        spec: the network.
        parameters: name to float32, read-only.
        path: an .npz file, parameter name to codes (entries, features).
        features: parameter name to the features' names.
        odds: for an attacker that builds on others: parameter name to log odds (entries,).
    """

    spec: Network
    parameters: Mapping[str, NDArray[np.float32]]
    path: Path
    features: Mapping[str, tuple[str, ...]]
    odds: Mapping[str, Floats] = field(default_factory=dict)

    def codes(self) -> dict[str, Codes]:
        """Returns the codes (entries, features) of every stratum, by parameter name."""
        with np.load(self.path) as stored:
            return {name: stored[name] for name in self.spec.shapes}

    def surroundings(self) -> dict[str, NDArray[np.float32]]:
        """Returns what the second-order attacker looks at: (entries, values) by parameter name."""
        found = look_around(self.spec, self.parameters)
        return {name: around.values.astype(np.float32) for name, around in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case(Exposed):
    """One network with the answer, to learn from or to be judged by.

    labels: parameter name to (entries,) bool, True at the ticket's entries.
    """

    labels: Mapping[str, NDArray[np.bool_]]

    def exposed(self) -> Exposed:
        """Returns the network without the answer."""
        return Exposed(**{part.name: getattr(self, part.name) for part in fields(Exposed)})


def open_cases(samples: Sequence[PlantedNetwork], directory: Path, prefix: str) -> list[Case]:
    """Returns the cases of planted networks.

    Features are written to `directory`/`prefix`-<number>.npz. Parameters are read-only float32.
    """
    cases = []
    for number, sample in enumerate(samples):
        parameters = {name: _published(value) for name, value in sample.parameters.items()}
        tables = extract_features(sample.spec, parameters)
        path = directory / f"{prefix}-{number}.npz"
        np.savez(path, allow_pickle=False, **{name: table.codes for name, table in tables.items()})
        cases.append(
            Case(
                spec=sample.spec,
                parameters=parameters,
                path=path,
                features={name: table.names for name, table in tables.items()},
                labels={name: value.ravel() for name, value in sample.ticket.items()},
            )
        )
    return cases


def _published(value: NDArray[Any]) -> NDArray[np.float32]:
    """Returns what a bundle publishes of a parameter: read-only float32."""
    array = np.asarray(value, dtype=np.float32)
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def positives(cases: Sequence[Case], stratum: str) -> list[int]:
    """Returns each network's ticket entries in a stratum, 0 if it has no others there."""
    masks = [case.labels[stratum] for case in cases]
    return [0 if mask.all() else int(mask.sum()) for mask in masks]

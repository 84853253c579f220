"""The evidence of an audit: every network's features, kept on disk, and its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import Network
from plantkit.planting.surroundings import look_around
from plantkit.research.audit.features import Codes, extract_features
from plantkit.research.audit.figures import Bools
from plantkit.research.audit.samples import Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One network, its features, in a file, and its labels.

    Attributes:
        spec: the network.
        parameters: name to float32.
        path: an .npz file, parameter name to codes (entries, features).
        features: parameter name to the features' names.
        labels: parameter name to (entries,) bool, True at the ticket's entries.
    """

    spec: Network
    parameters: Mapping[str, Any]
    path: Path
    features: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, Bools]

    def codes(self) -> dict[str, Codes]:
        """Returns the codes (entries, features) of every stratum, by parameter name."""
        with np.load(self.path) as stored:
            return {name: stored[name] for name in self.spec.shapes}

    def surroundings(self) -> dict[str, NDArray[np.float32]]:
        """Returns what the second-order attacker looks at: (entries, values) by parameter name."""
        found = look_around(self.spec, self.parameters)
        return {name: around.values.astype(np.float32) for name, around in found.items()}


def open_cases(samples: Sequence[Sample], directory: Path, prefix: str) -> list[Case]:
    """Returns the cases of samples, features written to `directory`/`prefix`-<number>.npz."""
    cases = []
    for number, sample in enumerate(samples):
        tables = extract_features(sample.spec, sample.parameters)
        path = directory / f"{prefix}-{number}.npz"
        np.savez(path, allow_pickle=False, **{name: table.codes for name, table in tables.items()})
        cases.append(
            Case(
                spec=sample.spec,
                parameters=sample.parameters,
                path=path,
                features={name: table.names for name, table in tables.items()},
                labels={name: value.ravel() for name, value in sample.ticket.items()},
            )
        )
    return cases


def positives(cases: Sequence[Case], stratum: str) -> list[int]:
    """Returns each network's ticket entries in a stratum, 0 if it has no others there."""
    masks = [case.labels[stratum] for case in cases]
    return [0 if mask.all() else int(mask.sum()) for mask in masks]

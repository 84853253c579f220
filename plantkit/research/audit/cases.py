"""The evidence of an audit: every network's features, kept on disk, beside its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec
from plantkit.research.audit.features import Codes, extract_features
from plantkit.research.audit.products import product_tables
from plantkit.research.audit.samples import Sample

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One network, its features, in a file, and its labels.

    Attributes:
        spec: the network.
        parameters: name to float32.
        path: an .npz file, parameter name to codes (entries, features).
        labels: parameter name to (entries,) bool, True at the ticket's entries.
    """

    spec: PerceptronSpec
    parameters: Mapping[str, Any]
    path: Path
    labels: Mapping[str, Bools]

    def codes(self) -> dict[str, Codes]:
        """Returns the codes (entries, features) of every stratum, by parameter name."""
        with np.load(self.path) as stored:
            return {name: stored[name] for name in self.spec.shapes}

    def surroundings(self) -> dict[str, NDArray[np.float32]]:
        """Returns what the second-order attacker looks at, by parameter name."""
        return product_tables(self.spec, self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseFile:
    """Cases of one network shape, and the names of their features by parameter name."""

    cases: Sequence[Case]
    features: Mapping[str, tuple[str, ...]]


def open_cases(samples: Sequence[Sample], directory: Path, prefix: str) -> CaseFile:
    """Returns the cases of samples, features written to `directory`/`prefix`-<number>.npz."""
    cases = []
    features: dict[str, tuple[str, ...]] = {}
    for number, sample in enumerate(samples):
        tables = extract_features(sample.spec, sample.parameters)
        path = directory / f"{prefix}-{number}.npz"
        codes = {name: table.codes for name, table in tables.items()}
        np.savez(path, allow_pickle=False, **codes)
        features = {name: table.names for name, table in tables.items()}
        labels = {name: value.ravel() for name, value in sample.ticket.items()}
        cases.append(Case(spec=sample.spec, parameters=sample.parameters, path=path, labels=labels))
    return CaseFile(cases=cases, features=features)

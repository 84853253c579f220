"""Attackers that look at one thing: a single feature, or an entry's position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec
from plantkit.research.audit.cases import CaseFile
from plantkit.research.audit.features import GROUPS
from plantkit.research.audit.figures import Separation, separate_codes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureSeparations:
    """How every single feature separates, in both directions, in every network and stratum.

    Attributes:
        features: stratum to the names of its features.
        upward: stratum to one tuple a network, by feature, high codes first; None where the
            stratum has nothing to separate there.
        downward: the same, low codes first.
    """

    features: Mapping[str, tuple[str, ...]]
    upward: Mapping[str, Sequence[tuple[Separation, ...] | None]]
    downward: Mapping[str, Sequence[tuple[Separation, ...] | None]]

    def mean_aucs(self, stratum: str, networks: Sequence[int]) -> Floats:
        """Returns each feature's AUC, high codes first, weighted by positives over `networks`.

        0.5 where there is nothing to separate.
        """
        found = [self.upward[stratum][network] for network in networks]
        present = [value for value in found if value is not None]
        if not present:
            return np.full(len(self.features[stratum]), 0.5)
        aucs = np.array([[separation.auc for separation in value] for value in present])
        weights = [value[0].positives for value in present]
        mean: Floats = np.average(aucs, axis=0, weights=weights)
        return mean

    def pick(self, stratum: str, network: int, feature: int, upward: bool) -> Separation | None:
        """Returns one feature's separation in one direction."""
        found = (self.upward if upward else self.downward)[stratum][network]
        return None if found is None else found[feature]


def separate_features(file: CaseFile) -> FeatureSeparations:
    """Returns how every single feature separates in every case."""
    upward: dict[str, list[Any]] = {name: [] for name in file.features}
    downward: dict[str, list[Any]] = {name: [] for name in file.features}
    for case in file.cases:
        for name, codes in case.codes().items():
            upward[name].append(separate_codes(codes, case.labels[name]))
            downward[name].append(separate_codes(255 - codes, case.labels[name]))
    return FeatureSeparations(features=file.features, upward=upward, downward=downward)


def choose_feature(
    found: FeatureSeparations, stratum: str, networks: Sequence[int], group: str
) -> tuple[int, bool] | None:
    """Returns the group's best feature on `networks` and whether its high codes are the ticket's.

    None if the stratum has no feature of the group.
    """
    members = [i for i, name in enumerate(found.features[stratum]) if GROUPS[name] == group]
    if not members:
        return None
    aucs = found.mean_aucs(stratum, networks)[members]
    best = int(np.abs(aucs - 0.5).argmax())
    return members[best], bool(aucs[best] >= 0.5)


def position_scores(
    spec: PerceptronSpec, tickets: Sequence[Mapping[str, Bools]]
) -> dict[str, Floats]:
    """Returns how often each place was in the training tickets, (entries,) by parameter name.

    The product of three smoothed counts: of the row, the column and the entry itself.
    """
    scores: dict[str, Floats] = {}
    for name, shape in spec.shapes.items():
        counts = np.sum([ticket[name] for ticket in tickets], axis=0).reshape(shape)
        rows = counts.sum(axis=tuple(range(1, len(shape))), keepdims=True)
        columns = counts.sum(axis=0, keepdims=True)
        scores[name] = ((rows + 1.0) * (columns + 1.0) * (counts + 1.0)).ravel()
    return scores

"""Attackers that look at a single feature, and what each feature is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from plantkit.planting.exposed import Case, Exposed, Scores
from plantkit.planting.exposed.cases import positives
from plantkit.planting.exposed.features import GROUPS
from plantkit.research.audit.figures import Floats, feature_aucs, mean_auc
from plantkit.research.audit.prepared import PreparedAttacker, Trainer

Choices = dict[str, tuple[int, bool]]
"""Stratum to a feature's column, and whether its high codes are the ticket's."""


class FeatureAucs:
    """The AUC of every single feature in every network and stratum, high codes first."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.features = cases[0].features
        self._weights = {name: np.array(positives(cases, name)) for name in self.features}
        found: dict[str, list[Floats]] = {name: [] for name in self.features}
        for case in cases:
            for name, codes in case.codes().items():
                found[name].append(feature_aucs(codes, case.labels[name]))
        self._aucs = {name: np.array(aucs) for name, aucs in found.items()}  # (networks, features)

    def weight(self, stratum: str) -> int:
        """Returns the ticket entries in the networks that have others in the stratum too."""
        return int(self._weights[stratum].sum())

    def mean(self, stratum: str, places: Sequence[int] | None = None) -> Floats:
        """Returns each feature's AUC, weighted by positives over the networks at `places`.

        0.5 where there is nothing to separate. None for all networks.
        """
        chosen = slice(None) if places is None else places
        return mean_auc(self._aucs[stratum][chosen], self._weights[stratum][chosen])

    def choose(self, group: str, places: Sequence[int]) -> Choices:
        """Returns the group's best feature on the networks at `places`, where it has any."""
        choices: Choices = {}
        for stratum, names in self.features.items():
            members = [place for place, name in enumerate(names) if GROUPS[name] == group]
            if members:
                aucs = self.mean(stratum, places)[members]
                best = int(np.abs(aucs - 0.5).argmax())
                choices[stratum] = members[best], bool(aucs[best] >= 0.5)
        return choices


@lru_cache(maxsize=1)
def feature_aucs_of(cases: tuple[Case, ...]) -> FeatureAucs:
    """Returns `FeatureAucs` of these cases, computed once for all groups of features."""
    return FeatureAucs(cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleAttacker(PreparedAttacker):
    """Looks at one feature of a group: in each stratum that which is best on the training networks.

    name: of the group.
    """

    name: str
    title: str
    in_curve: bool = False

    def prepare(self, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
        seen = feature_aucs_of(tuple(cases))
        return lambda places: _Picking(seen.choose(self.name, places), seen.features)


@dataclass(frozen=True, slots=True, kw_only=False)
class _Picking:
    """Scores entries by the chosen features."""

    chosen: Choices
    features: Mapping[str, tuple[str, ...]]

    @property
    def choices(self) -> dict[str, str]:
        return {
            stratum: f"{self.features[stratum][feature]}, {'high' if upward else 'low'}"
            for stratum, (feature, upward) in self.chosen.items()
        }

    def __call__(self, network: Exposed) -> Scores:
        codes = network.codes()
        return {
            stratum: np.where(upward, codes[stratum][:, feature], 255 - codes[stratum][:, feature])
            for stratum, (feature, upward) in self.chosen.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFigures:
    """A single feature's AUC within strata on the test networks.

    `auc` is the mean, in every stratum in the direction that is better on the training networks.
    `auc_of_high_values` holds the AUC of high codes by stratum, so that values below 0.5 mean
    that the ticket's entries are low.
    """

    name: str
    group: str
    auc: float
    auc_of_high_values: dict[str, float]


def feature_figures(seen: FeatureAucs, unseen: FeatureAucs) -> list[FeatureFigures]:
    """Returns every feature's figures, the best first, from training and from test networks."""
    high: dict[str, dict[str, float]] = {}
    directed: dict[str, list[float]] = {}
    weights: dict[str, list[int]] = {}
    for stratum, names in seen.features.items():
        weight = unseen.weight(stratum)
        if not weight:
            continue
        means = zip(names, seen.mean(stratum), unseen.mean(stratum), strict=True)
        for name, before, after in means:
            high.setdefault(name, {})[stratum] = float(after)
            directed.setdefault(name, []).append(after if before >= 0.5 else 1 - after)
            weights.setdefault(name, []).append(weight)
    figures = [
        FeatureFigures(
            name=name,
            group=GROUPS[name],
            auc=float(mean_auc(directed[name], weights[name])),
            auc_of_high_values=strata,
        )
        for name, strata in high.items()
    ]
    return sorted(figures, key=lambda found: -found.auc)

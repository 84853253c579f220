"""The attackers, trained on some planted networks and let loose on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plantkit.research.audit.boosting import (
    BOLD,
    CAUTIOUS,
    EntryModels,
    Learner,
    Table,
    fit_models,
    thin_out,
)
from plantkit.research.audit.cases import Case, CaseFile
from plantkit.research.audit.features import GROUPS
from plantkit.research.audit.figures import Separation, mean_auc, separate
from plantkit.research.audit.joint import joint_tables, ticket_degrees
from plantkit.research.audit.products import PRODUCTS
from plantkit.research.audit.singles import (
    FeatureSeparations,
    choose_feature,
    position_scores,
    separate_features,
)

Floats = NDArray[np.float64]
LogOdds = Mapping[str, Floats]
Found = Mapping[str, Sequence[Separation | None]]

FOLDS = 3
ROUNDS = 1
DISTINCT = 2.0
BOOSTING = "boosting"
CAUTIOUS_BOOSTING = "cautious boosting"
SECOND_ORDER = "second order"
JOINT = "joint"
POSITION = "position prior"
STRONGEST = "strongest"
LEARNERS = (BOOSTING, CAUTIOUS_BOOSTING, SECOND_ORDER, JOINT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attack:
    """What one attacker achieved.

    Attributes:
        name: of the attacker.
        found: stratum to one separation a test network.
        rehearsal: stratum to the AUC on the training networks, each judged by an attacker
            that was trained on others (cross-validation); says how good the attacker
            believes to be before it sees a test network. 0 where it has nothing to go by.
        choices: stratum to what it settled on there, for attackers that choose.
        log_odds: one mapping a test network, for attackers that give any.
    """

    name: str
    found: Found
    rehearsal: Mapping[str, float]
    choices: Mapping[str, str] = field(default_factory=dict)
    log_odds: Sequence[LogOdds] = ()

    def first(self, networks: int) -> Attack:
        """Returns the attack on the first `networks` test networks alone."""
        found = {stratum: values[:networks] for stratum, values in self.found.items()}
        return dataclasses.replace(self, found=found, log_odds=self.log_odds[:networks])


def learned_attacks(
    train: CaseFile, test: Sequence[Case], rng: np.random.Generator
) -> tuple[Attack, ...]:
    """Returns the `LEARNERS`, in their order.

    Three judge entry by entry; the joint attacker builds on the one of them that did best on
    the training networks.
    """
    cases = train.cases
    spec = cases[0].spec
    stages = {
        BOOSTING: _train_stage(cases, test, Case.codes, rng),
        CAUTIOUS_BOOSTING: _train_stage(cases, test, Case.codes, rng, CAUTIOUS),
        SECOND_ORDER: _train_stage(cases, test, Case.surroundings, rng, PRODUCTS),
    }
    alone = {name: _attack(name, cases, test, stage) for name, stage in stages.items()}
    stage = stages[max(alone, key=lambda name: _rehearsed_auc(alone[name], cases))]
    degrees = ticket_degrees(spec, [case.labels for case in cases])
    for _ in range(ROUNDS):
        known = {
            id(case): odds
            for group, answers in ((cases, stage.rehearsed), (test, stage.tested))
            for case, odds in zip(group, answers, strict=True)
        }

        def tables(
            case: Case, known: Mapping[int, LogOdds] = known
        ) -> dict[str, NDArray[np.float32]]:
            return joint_tables(spec, known[id(case)], case.codes(), degrees)

        stage = _train_stage(cases, test, tables, rng)
    return *alone.values(), _attack(JOINT, cases, test, stage)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stage:
    """Log odds of training networks by models that never saw them, and of test networks."""

    rehearsed: Sequence[LogOdds]
    tested: Sequence[LogOdds]


def _train_stage(
    cases: Sequence[Case],
    test: Sequence[Case],
    tables: Callable[[Case], Mapping[str, Table]],
    rng: np.random.Generator,
    learner: Learner = BOLD,
) -> _Stage:
    spec = cases[0].spec
    lessons = [thin_out(tables(case), case.labels, len(cases), rng) for case in cases]

    def model(left_out: int | None) -> EntryModels:
        kept = [one for place, one in enumerate(lessons) if place % FOLDS != left_out]
        return fit_models(spec, kept, rng, learner)

    folds = [model(fold) for fold in range(FOLDS)]
    full = model(None)
    return _Stage(
        rehearsed=[folds[place % FOLDS].log_odds(tables(case)) for place, case in enumerate(cases)],
        tested=[full.log_odds(tables(case)) for case in test],
    )


def _attack(name: str, cases: Sequence[Case], test: Sequence[Case], stage: _Stage) -> Attack:
    rehearsed = _separations(cases, stage.rehearsed)
    return Attack(
        name=name,
        found=_separations(test, stage.tested),
        rehearsal={stratum: mean_auc(values) for stratum, values in rehearsed.items()},
        log_odds=stage.tested,
    )


def _separations(
    cases: Sequence[Case], scores: Sequence[LogOdds]
) -> dict[str, list[Separation | None]]:
    return {
        name: [
            separate(score[name], case.labels[name])
            for case, score in zip(cases, scores, strict=True)
        ]
        for name in cases[0].spec.shapes
    }


def position_attack(train: CaseFile, test: Sequence[Case]) -> Attack:
    """Returns the attacker that only knows where the training tickets lay."""
    cases = train.cases
    spec = cases[0].spec
    priors = [
        position_scores(
            spec, [case.labels for place, case in enumerate(cases) if place % FOLDS != fold]
        )
        for fold in range(FOLDS)
    ]
    rehearsed = _separations(cases, [priors[place % FOLDS] for place in range(len(cases))])
    full = position_scores(spec, [case.labels for case in cases])
    return Attack(
        name=POSITION,
        found=_separations(test, [full] * len(test)),
        rehearsal={stratum: mean_auc(values) for stratum, values in rehearsed.items()},
    )


def single_attacks(
    train: CaseFile, test: CaseFile
) -> tuple[list[Attack], FeatureSeparations, FeatureSeparations]:
    """Returns one attacker a group of features, and all features' separations, train and test.

    An attacker takes, in each stratum, the group's feature and direction that are best on its
    training networks.
    """
    seen, unseen = separate_features(train), separate_features(test)
    everything = range(len(train.cases))
    attacks = []
    for group in dict.fromkeys(GROUPS.values()):
        found: dict[str, list[Separation | None]] = {}
        rehearsal: dict[str, float] = {}
        choices: dict[str, str] = {}
        for stratum, names in train.features.items():
            chosen = choose_feature(seen, stratum, everything, group)
            if chosen is None:
                found[stratum], rehearsal[stratum] = [None] * len(test.cases), 0.0
                continue
            feature, upward = chosen
            choices[stratum] = f"{names[feature]}, {'high' if upward else 'low'}"
            found[stratum] = [
                unseen.pick(stratum, network, feature, upward) for network in range(len(test.cases))
            ]
            rehearsed: list[Separation | None] = []
            for fold in range(FOLDS):
                others = [place for place in everything if place % FOLDS != fold]
                feature, upward = choose_feature(seen, stratum, others, group) or chosen
                rehearsed += [
                    seen.pick(stratum, place, feature, upward)
                    for place in everything
                    if place % FOLDS == fold
                ]
            rehearsal[stratum] = mean_auc(rehearsed)
        attacks.append(Attack(name=group, found=found, rehearsal=rehearsal, choices=choices))
    return attacks, seen, unseen


def strongest_attack(attacks: Sequence[Attack], train: Sequence[Case]) -> Attack:
    """Returns the attacker that did best on the training networks, or others where they excel.

    The best one over all strata acts everywhere, but for strata in which another did better by
    more than `DISTINCT` standard deviations of an AUC at chance: among so many attackers, one
    is always a little better by luck. The choice never sees a test network, so its figures
    are not flattered by it.
    """
    positives = {name: _separable(train, name) for name in attacks[0].found}
    general = max(attacks, key=lambda attack: _rehearsed_auc(attack, train))
    found: dict[str, Sequence[Separation | None]] = {}
    rehearsal: dict[str, float] = {}
    choices: dict[str, str] = {}
    for stratum, count in positives.items():
        best = max(attacks, key=lambda attack: attack.rehearsal[stratum])
        lead = best.rehearsal[stratum] - general.rehearsal[stratum]
        if general.rehearsal[stratum] and lead * (12 * count) ** 0.5 <= DISTINCT:
            best = general
        found[stratum] = best.found[stratum]
        rehearsal[stratum] = best.rehearsal[stratum]
        choices[stratum] = best.name
    return Attack(name=STRONGEST, found=found, rehearsal=rehearsal, choices=choices)


def _rehearsed_auc(attack: Attack, cases: Sequence[Case]) -> float:
    """Returns the AUC on the training networks, over all strata."""
    weights = [_separable(cases, name) for name in attack.rehearsal]
    aucs = list(attack.rehearsal.values())
    return float(np.average(aucs, weights=weights)) if any(weights) else 0.5


def _separable(cases: Sequence[Case], stratum: str) -> int:
    """Returns the ticket entries of a stratum in the networks where it has others too."""
    masks = [case.labels[stratum] for case in cases]
    return sum(int(mask.sum()) for mask in masks if not mask.all())

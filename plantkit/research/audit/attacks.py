"""The attackers, trained on some planted networks and let loose on others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks.network import layer_number
from plantkit.research.audit.cases import Case, positives
from plantkit.research.audit.figures import NOTHING, Floats, Separations, mean_auc, separate
from plantkit.research.audit.joint import joint_tables, ticket_degrees
from plantkit.research.audit.learners import (
    BOLD,
    CAUTIOUS,
    SECOND_ORDER,
    Learner,
    Model,
    fit_models,
    thin_out,
)

Scores = Mapping[str, NDArray[Any]]
"""Parameter name to scores (entries,), the higher the likelier; strata may be left out."""

Scorer = Callable[[Case], Scores]

Fit = Callable[[Sequence[int]], Scorer]
"""From the places of the training networks to learn from to an attacker that knows them."""

FOLDS = 3

DISTINCT = 2.0
"""Standard deviations of an AUC at chance by which an attacker is clearly better."""

LEARNERS: Mapping[str, Learner] = {
    "boosting": BOLD,
    "cautious boosting": CAUTIOUS,
    "second order": SECOND_ORDER,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attack:
    """What one attacker achieved.

    Attributes:
        name: of the attacker.
        found: stratum to one separation per test network.
        rehearsal: stratum to the AUC on the training networks, each judged by an attacker
            that was trained on others (cross-validation). It says how good the attacker
            believes to be before it sees a test network. 0 where it has nothing to go by.
        choices: stratum to what it settled on there, for attackers that choose.
    """

    name: str
    found: Separations
    rehearsal: Mapping[str, float]
    choices: Mapping[str, str] = field(default_factory=dict)

    def first(self, networks: int) -> Attack:
        """Returns the attack on the first `networks` test networks alone."""
        found = {stratum: values[:networks] for stratum, values in self.found.items()}
        return dataclasses.replace(self, found=found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Scores of training networks by attackers that never saw them, and of test networks."""

    rehearsed: Sequence[Scores]
    tested: Sequence[Scores]


def answer(fit: Fit, cases: Sequence[Case], test: Sequence[Case]) -> Answers:
    """Returns what attackers that `fit` trains on `cases` answer."""
    places = range(len(cases))
    folds = [fit([place for place in places if place % FOLDS != fold]) for fold in range(FOLDS)]
    full = fit(places)
    return Answers(
        rehearsed=[folds[place % FOLDS](case) for place, case in enumerate(cases)],
        tested=[full(case) for case in test],
    )


def judge(name: str, answers: Answers, cases: Sequence[Case], test: Sequence[Case]) -> Attack:
    """Returns the attack that these answers are."""
    rehearsal = {}
    for stratum, found in _separations(cases, answers.rehearsed).items():
        aucs, weights = [one.auc for one in found], [one.positives for one in found]
        is_blind = stratum not in answers.rehearsed[0]
        rehearsal[stratum] = 0.0 if is_blind else float(mean_auc(aucs, weights))
    return Attack(name=name, found=_separations(test, answers.tested), rehearsal=rehearsal)


def _separations(cases: Sequence[Case], scores: Sequence[Scores]) -> Separations:
    return {
        name: [
            separate(one[name], case.labels[name]) if name in one else NOTHING
            for case, one in zip(cases, scores, strict=True)
        ]
        for name in cases[0].spec.shapes
    }


def learned_attacks(
    cases: Sequence[Case], test: Sequence[Case], rng: np.random.Generator
) -> tuple[list[Attack], Sequence[Scores]]:
    """Returns the `LEARNERS` and the joint attacker, and the log odds of the joint one.

    The `LEARNERS` judge entry by entry. The joint attacker builds on the one of them that did
    best on the training networks.
    """
    spec = cases[0].spec
    answers, attacks = {}, []
    for name, learner in LEARNERS.items():
        answers[name] = answer(_training(learner, cases, rng), cases, test)
        attacks.append(judge(name, answers[name], cases, test))
    best = answers[max(attacks, key=partial(rehearsed_auc, separable(cases))).name]
    known = {
        id(case): odds
        for case, odds in zip([*cases, *test], [*best.rehearsed, *best.tested], strict=True)
    }
    degrees = ticket_degrees(spec, [case.labels for case in cases])

    def tables(case: Case) -> dict[str, NDArray[np.float32]]:
        return joint_tables(spec, known[id(case)], case.codes(), degrees)

    joint = answer(_training(dataclasses.replace(BOLD, tables=tables), cases, rng), cases, test)
    return [*attacks, judge("joint", joint, cases, test)], joint.tested


def _training(learner: Learner, cases: Sequence[Case], rng: np.random.Generator) -> Fit:
    lessons = [
        {
            name: thin_out(table, case.labels[name], len(cases), rng)
            for name, table in learner.tables(case).items()
        }
        for case in cases
    ]

    def fit(places: Sequence[int]) -> Scorer:
        chosen = [lessons[place] for place in places]
        return partial(_log_odds, fit_models(cases[0], chosen, learner, rng), learner)

    return fit


def _log_odds(models: Mapping[str, Model], learner: Learner, case: Case) -> Scores:
    return {name: models[name](table) for name, table in learner.tables(case).items()}


def position_attack(cases: Sequence[Case], test: Sequence[Case]) -> Attack:
    """Returns the attacker that only knows where the training tickets lay."""

    def fit(places: Sequence[int]) -> Scorer:
        scores = _position_scores([cases[place] for place in places])
        return lambda _: scores

    return judge("position prior", answer(fit, cases, test), cases, test)


def _position_scores(cases: Sequence[Case]) -> dict[str, Floats]:
    """Returns how often each place was in the training tickets, (entries,) by parameter name.

    The product of smoothed counts: of the entry itself, and of all in its row, all that read its
    source, and all at its tap of a kernel.
    """
    spec = cases[0].spec
    scores: dict[str, Floats] = {}
    for name, shape in spec.shapes.items():
        counts = np.sum([case.labels[name] for case in cases], axis=0).reshape(shape)
        if len(shape) > 1:
            counts = counts.reshape(spec.wiring.grid(layer_number(name)))
        axes = range(counts.ndim)
        lines = [counts.sum(axis=tuple({*axes} - {axis}), keepdims=True) for axis in axes]
        scores[name] = math.prod((line + 1.0 for line in lines), start=counts + 1.0).ravel()
    return scores


def strongest_attack(attacks: Sequence[Attack], weights: Mapping[str, int]) -> Attack:
    """Returns the attacker that did best on the training networks, or others where they excel.

    The best one over all strata acts everywhere, except in strata in which another did better by
    more than `DISTINCT` standard deviations of an AUC at chance: among so many attackers, one
    is always a little better by luck. The choice never sees a test network, so its figures
    are not flattered by it.

    Args:
        attacks: to choose from.
        weights: see `separable`.
    """
    general = max(attacks, key=partial(rehearsed_auc, weights))
    chosen: dict[str, Attack] = {}
    for stratum, count in weights.items():
        best = max(attacks, key=lambda attack: attack.rehearsal[stratum])
        lead = best.rehearsal[stratum] - general.rehearsal[stratum]
        is_clear = lead * (12 * count) ** 0.5 > DISTINCT or not general.rehearsal[stratum]
        chosen[stratum] = best if is_clear else general
    return Attack(
        name="strongest",
        found={stratum: attack.found[stratum] for stratum, attack in chosen.items()},
        rehearsal={stratum: attack.rehearsal[stratum] for stratum, attack in chosen.items()},
        choices={stratum: attack.name for stratum, attack in chosen.items()},
    )


def rehearsed_auc(weights: Mapping[str, int], attack: Attack) -> float:
    """Returns the AUC on the training networks, over all strata, weighted by `weights`."""
    return float(mean_auc([attack.rehearsal[name] for name in weights], [*weights.values()]))


def separable(cases: Sequence[Case]) -> dict[str, int]:
    """Returns the ticket entries of each stratum in the networks that have others there too."""
    return {name: sum(positives(cases, name)) for name in cases[0].spec.shapes}

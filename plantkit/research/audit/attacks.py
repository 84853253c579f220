"""Attackers, trained on some planted networks and let loose on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from plantkit.errors import PluginError, describe
from plantkit.planting.exposed import Attacker, Case, Scorer, Scores
from plantkit.planting.exposed.attacker import check_scores
from plantkit.planting.exposed.cases import positives
from plantkit.research.audit.figures import NOTHING, Separations, mean_auc, separate
from plantkit.research.audit.prepared import Trainer, trainer_of

FOLDS = 3

DISTINCT = 2.0
"""Standard deviations of an AUC at chance by which an attacker is clearly better."""


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


def answer(train: Trainer, cases: Sequence[Case], test: Sequence[Case]) -> tuple[Answers, Scorer]:
    """Returns what attackers that `train` makes of `cases` answer, and the one that knows all."""
    places = range(len(cases))
    folds = [train([place for place in places if place % FOLDS != fold]) for fold in range(FOLDS)]
    full = train(places)
    return Answers(
        rehearsed=[folds[place % FOLDS](case.exposed()) for place, case in enumerate(cases)],
        tested=[full(case.exposed()) for case in test],
    ), full


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


def attack_with(
    attacker: Attacker, cases: Sequence[Case], test: Sequence[Case], rng: np.random.Generator
) -> tuple[Attack, Answers]:
    """Returns what one attacker achieves, and its answers.

    Raises:
        PluginError: it fails, or its scores are not one finite number for each entry.
    """
    try:
        answers, full = answer(trainer_of(attacker, cases, rng), cases, test)
    except Exception as error:
        raise PluginError(f"attacker {attacker.name}", describe(error)) from error
    for case, scores in zip([*cases, *test], [*answers.rehearsed, *answers.tested], strict=True):
        check_scores(attacker.name, case, scores)
    attack = judge(attacker.name, answers, cases, test)
    return dataclasses.replace(attack, choices=getattr(full, "choices", {})), answers


def run_attacks(
    attackers: Sequence[Attacker],
    cases: Sequence[Case],
    test: Sequence[Case],
    rng: np.random.Generator,
    fail: Callable[[Attacker, PluginError], None],
) -> dict[str, tuple[Attack, Answers]]:
    """Returns what each attacker achieves, and its answers, by name.

    Args:
        attackers: in an order in which those that others build on come first.
        cases, test: networks to train on, and to attack.
        rng: source of all choices.
        fail: called with an attacker that does not do its work; it is left out.
    """
    done: dict[str, tuple[Attack, Answers]] = {}
    for attacker in attackers:
        before = [done[name] for name in attacker.builds_on if name in done]
        known, unknown = cases, test
        if before:
            best = max(before, key=lambda one: rehearsed_auc(separable(cases), one[0]))[1]
            known, unknown = _with_odds(cases, best.rehearsed), _with_odds(test, best.tested)
        try:
            done[attacker.name] = attack_with(attacker, known, unknown, rng)
        except PluginError as error:
            fail(attacker, error)
    return done


def _with_odds(cases: Sequence[Case], odds: Sequence[Scores]) -> list[Case]:
    return [dataclasses.replace(case, odds=known) for case, known in zip(cases, odds, strict=True)]


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


def tested_auc(attack: Attack) -> float:
    """Returns the AUC on the test networks, over all strata, weighted by their ticket entries."""
    found = [one for separations in attack.found.values() for one in separations]
    return float(mean_auc([one.auc for one in found], [one.positives for one in found]))

"""The checks of attackers of planted tickets, in the order in which they run.

They train an attacker on a few tiny networks. How good it is, `plantkit audit` and `plantkit duel`
say.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plantkit.errors import PluginError
from plantkit.hookspecs import PROJECT
from plantkit.networks import PerceptronSpec
from plantkit.planting import find_family, find_method
from plantkit.planting.exposed import Attacker, Case, Exposed, Scorer
from plantkit.planting.exposed.attacker import check_scores
from plantkit.planting.exposed.cases import open_cases
from plantkit.plugins import load_installed
from plantkit.testing.examining import Check, CheckFailure, adder

#: Networks to train on, and others to attack.
TRAIN, TEST = 6, 2
_SPEC = PerceptronSpec(widths=(1, 8, 8, 1))
_SEED = 7

_made: list[Check] = []
_check = adder(_made)


@dataclass(kw_only=True)
class AttackerSubject:
    """The attacker under examination, and what it was given so far.

    given: an attacker, or the name of a plugin's. contents: of the networks, as they were.
    """

    given: str | Attacker
    attacker: Attacker = field(init=False)
    contents: list[bytes] = field(init=False)
    _cases: list[Case] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.given if isinstance(self.given, str) else self.given.name

    def load(self) -> None:
        """Finds the attacker.

        Raises:
            PluginError: no plugin has one of that name, or it is not a proper one.
        """
        if isinstance(self.given, Attacker):
            self.attacker = self.given
            return
        registry = load_installed(without=PROJECT)
        found = registry.attackers()
        if self.given not in found:
            why = registry.failures[0] if registry.failures else "no plugin offers it"
            raise PluginError(self.given, str(why))
        self.attacker = found[self.given]

    @property
    def cases(self) -> list[Case]:
        """The networks: those to train on, then those to attack."""
        if not self._cases:
            family, method = find_family("relu"), find_method("faithful")
            planted = [
                method.plant(family, _SPEC, seed=bytes([number])) for number in range(TRAIN + TEST)
            ]
            directory = tempfile.mkdtemp(prefix="plantkit-check-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
            self._cases = open_cases(planted, Path(directory), "case")
            if self.attacker.builds_on:
                rng = np.random.default_rng(0)
                self._cases = [
                    replace(case, odds={n: rng.normal(size=s) for n, s in _SPEC.sizes.items()})
                    for case in self._cases
                ]
            self.contents = _contents(self._cases)
        return self._cases

    @property
    def unseen(self) -> list[Exposed]:
        return [case.exposed() for case in self.cases[TRAIN:]]

    def train(self) -> Scorer:
        """Returns the attacker, trained on all networks that are to train on."""
        return self.attacker.train(self.cases[:TRAIN], np.random.default_rng(_SEED))


@_check("loads", "the attacker is found and has a proper name")
def _loads(subject: AttackerSubject) -> None:
    try:
        subject.load()
    except PluginError as error:
        raise CheckFailure(expected="an attacker of an installed plugin", got=str(error)) from error


@_check("trains", "it learns from networks with their tickets, also from some of them", "loads")
def _trains(subject: AttackerSubject) -> None:
    for places in (range(TRAIN), [0, 2, 3, 5]):
        cases = [subject.cases[place] for place in places]
        scorer = subject.attacker.train(cases, np.random.default_rng(_SEED))
        if not callable(scorer):
            raise CheckFailure(
                expected="a function that scores a network", got=type(scorer).__name__
            )


@_check("blind", "it scores a network by its parameters, without a ticket", "trains")
def _blind(subject: AttackerSubject) -> None:
    scorer = subject.train()
    try:
        scorer(subject.unseen[0])
    except AttributeError as error:
        if error.name in {"labels", "ticket"} and isinstance(error.obj, Exposed):
            raise CheckFailure(
                expected="scores from parameters, codes() and surroundings()",
                got=f"asks for {error.name!r} of a network that it attacks",
            ) from error
        raise


@_check("scores", "it gives one finite number for each entry, of some strata at least", "blind")
def _scores(subject: AttackerSubject) -> None:
    scorer = subject.train()
    for network in subject.unseen:
        scores = scorer(network)
        if not isinstance(scores, Mapping) or not scores:
            raise CheckFailure(
                expected="a mapping from parameter names to scores", got=repr(scores)[:80]
            )
        try:
            check_scores(subject.attacker.name, network, scores)
        except PluginError as error:
            raise CheckFailure(
                expected="one finite number for each entry", got=str(error)
            ) from error


@_check("same-seed", "the same generator gives the same scores", "scores")
def _same_seed(subject: AttackerSubject) -> None:
    first, again = (_all_scores(subject, subject.unseen) for _ in range(2))
    if not _same(first, again):
        raise CheckFailure(
            expected="the same scores from two generators with one seed",
            got="different ones; draw from the generator that is passed in only",
        )


@_check("alone", "the scores of a network do not depend on those scored before", "same-seed")
def _alone(subject: AttackerSubject) -> None:
    networks = subject.unseen
    forward, backward = (_all_scores(subject, order) for order in (networks, networks[::-1]))
    if not _same(forward, backward[::-1]):
        raise CheckFailure(
            expected="the same scores in any order of networks",
            got="others; keep nothing between networks that are attacked",
        )


@_check("untouched", "networks stay as they were", "scores")
def _untouched(subject: AttackerSubject) -> None:
    _all_scores(subject, subject.unseen)
    if _contents(subject.cases) != subject.contents:
        raise CheckFailure(expected="networks as they were", got="changed ones; work on copies")


def _all_scores(subject: AttackerSubject, networks: Sequence[Exposed]) -> list[Mapping[str, Any]]:
    scorer = subject.train()
    return [scorer(network) for network in networks]


def _same(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    return all(
        mine.keys() == its.keys() and all(np.array_equal(mine[name], its[name]) for name in mine)
        for mine, its in zip(one, other, strict=True)
    )


def _contents(cases: Sequence[Case]) -> list[bytes]:
    return [
        b"".join(np.asarray(value).tobytes() for value in values.values())
        for case in cases
        for values in (case.parameters, case.labels, case.codes())
    ]


#: All checks, in the order in which they run.
ATTACKER_CHECKS: tuple[Check, ...] = tuple(_made)

"""The conformance suite of attackers: for every check one bad attacker fails it."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.planting.exposed import Attacker
from plantkit.research.audit.attackers import ATTACKERS
from plantkit.testing import ATTACKER_CHECKS, parametrize_attacker_checks, run_attacker_checks
from plantkit.testing.attacker_checks import AttackerSubject
from plantkit.testing.suite import Examination

CHECK_NAMES = [check.name for check in ATTACKER_CHECKS]
#: Those of the kit that take no time.
QUICK = ("position prior", "magnitude", "joint")


class Good(Attacker):
    """Scores at random, the same for a seed."""

    name = "test-good"

    def train(self, cases, rng):
        drawn = {name: rng.normal(size=size) for name, size in cases[0].spec.sizes.items()}
        return lambda network: drawn


class Mute(Good):
    def train(self, cases, rng):
        return None


class Peeking(Good):
    def train(self, cases, rng):
        return lambda network: network.labels


class Short(Good):
    def train(self, cases, rng):
        return lambda network: {"layers.0.weight": np.zeros(3)}


class Moody(Good):
    def train(self, cases, rng):
        return lambda network: {"layers.0.bias": np.random.default_rng().normal(size=8)}


class Counting(Good):
    def train(self, cases, rng):
        calls = iter(range(100))
        return lambda network: {"layers.0.bias": np.full(8, next(calls))}


class Rough(Good):
    def train(self, cases, rng):
        def score(network):
            network.parameters["layers.0.bias"].flags.writeable = True
            network.parameters["layers.0.bias"][:] = 0
            return {"layers.0.bias": np.zeros(8)}

        return score


BAD = {
    "loads": ("test-nobody", "no plugin offers it"),
    "trains": (Mute(), "NoneType"),
    "blind": (Peeking(), "asks for 'labels' of a network that it attacks"),
    "scores": (Short(), "have shape (3,); expected (8,)"),
    "same-seed": (Moody(), "draw from the generator that is passed in only"),
    "alone": (Counting(), "keep nothing between networks"),
    "untouched": (Rough(), "changed ones"),
}


def test_there_is_a_bad_attacker_for_every_check():
    assert sorted(BAD) == sorted(CHECK_NAMES)


@pytest.mark.parametrize("name", CHECK_NAMES)
def test_a_bad_attacker_fails_its_check(name):
    bad, words = BAD[name]
    examination = Examination(AttackerSubject(given=bad), ATTACKER_CHECKS)
    found = examination.result(name)
    assert found.status == "failed", found
    assert words in found.got


def test_a_good_attacker_passes_all():
    found = {result.check: result.status for result in run_attacker_checks(Good())}
    assert found == dict.fromkeys(CHECK_NAMES, "ok")


@pytest.mark.parametrize("name", QUICK)
def test_those_of_the_kit_pass(name):
    attacker = next(one for one in ATTACKERS if one.name == name)
    failed = [one for one in run_attacker_checks(attacker) if one.status != "ok"]
    assert failed == []


@parametrize_attacker_checks(Good(), leave_out=["alone"])
def test_checks_can_be_tests(check):
    check()
    assert check.name != "alone"

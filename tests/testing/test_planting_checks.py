"""The conformance suite of families and plantings: for every check one bad planter fails it."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest

from plantkit.errors import UnknownNameError
from plantkit.planting.family import Alternatives, LineFamily
from plantkit.planting.methods.faithful import FaithfulMethod
from plantkit.testing import (
    PLANTING_CHECKS,
    CheckFailure,
    Planter,
    parametrize_family_checks,
    run_family_checks,
)
from plantkit.testing.planter import digest_of
from plantkit.testing.suite import Examination

CHECK_NAMES = [check.name for check in PLANTING_CHECKS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave(LineFamily):
    """A good one."""

    name = "test-wave"
    title = "Wave"
    outputs = 1
    knots = 8
    frequency: float = 2.0

    def formula(self, inputs):
        return np.cos(self.frequency * inputs)


class Good(FaithfulMethod):
    """A good one; the bad ones change its answer."""

    name = "test-good"

    def _plant(self, family, spec, seed, patience):
        return self.spoil(super()._plant(family, spec, seed, patience), seed)

    def spoil(self, planted, seed):
        return planted


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Wave):
    name = "test-flag"
    is_high: bool = False


class Holes(Wave):
    name = "test-holes"

    def domain(self):
        return np.full((10, 1), np.nan)


class Wide(Wave):
    name = "test-wide"

    def sample_inputs(self, rng, count):
        return rng.uniform(-3, 3, (count, 1)).astype(np.float32)


class Together(Wave):
    name = "test-together"

    def formula(self, inputs):
        return np.cos(2 * inputs) + inputs.mean()


class Misnamed(Good):
    name = "test-misnamed"

    def spoil(self, planted, seed):
        return replace(planted, family="another")


class Everything(Good):
    name = "test-everything"

    def spoil(self, planted, seed):
        return replace(planted, ticket={n: np.ones_like(v) for n, v in planted.ticket.items()})


class Doubled(Good):
    name = "test-doubled"

    def spoil(self, planted, seed):
        return replace(planted, output_scales=3 * planted.output_scales)


class Idle(Good):
    name = "test-idle"

    def spoil(self, planted, seed):
        ticket = {name: mask.copy() for name, mask in planted.ticket.items()}
        unused = np.flatnonzero(~ticket["layers.1.weight"].any(axis=1))
        ticket["layers.1.bias"][unused[0]] = True
        return replace(planted, ticket=ticket)


class Counting(Good):
    name = "test-counting"
    calls = itertools.count()

    def _plant(self, family, spec, seed, patience):
        return super()._plant(family, spec, seed + bytes([next(self.calls)]), patience)


class Deaf(Good):
    name = "test-deaf"

    def _plant(self, family, spec, seed, patience):
        return super()._plant(family, spec, b"always", patience)


class Global(Good):
    name = "test-global"

    def spoil(self, planted, seed):
        random.random()
        return planted


class Blunt(Good):
    name = "test-blunt"

    def _plant(self, family, spec, seed, patience):
        if spec.widths[1] == 1:
            raise IndexError("list index out of range")
        return super()._plant(family, spec, seed, patience)


class Forgetful(Good):
    name = "test-forgetful"

    def spoil(self, planted, seed):
        return replace(planted, facts={"dials": {}})


class Chatty(Good):
    name = "test-chatty"

    def spoil(self, planted, seed):
        return replace(planted, alternatives=Alternatives(basis=f"planted from {seed.hex()}"))


def planter(family=None, method=None):
    return Planter(given=family or Wave(), planting=method or Good(), width=20)


BAD = {
    "loads": (planter(method="selected"), "cannot plant family 'test-wave'"),
    "dials": (planter(Flag()), "'is_high': True"),
    "domain": (planter(Holes()), "infinities or NaN"),
    "samples": (planter(Wide()), "the gates judge tickets on domain()"),
    "formula": (planter(Together()), "other outputs of one input by itself"),
    "plants": (planter(method=Misnamed()), "'another'"),
    "ticket": (planter(method=Everything()), "481"),
    "exact": (planter(method=Doubled()), "the labels are `family.formula`"),
    "gates": (planter(method=Idle()), "1 in 'layers.1.bias'"),
    "same-seed": (planter(method=Counting()), "plantkit.planting.generator(seed, ...)"),
    "other-seed": (planter(method=Deaf()), "knows the ticket of all"),
    "global-rng": (planter(method=Global()), "changed random"),
    "too-small": (planter(method=Blunt()), "IndexError"),
    "bundle": (planter(method=Forgetful()), "{}"),
    "hidden-truth": (planter(method=Chatty()), "it is in challenge.json, too"),
}


def test_there_is_a_bad_planter_for_every_check():
    assert sorted(BAD) == sorted(CHECK_NAMES)


@pytest.mark.parametrize("name", CHECK_NAMES)
def test_a_bad_planter_fails_its_check(name, monkeypatch):
    if name != "same-seed":  # it alone is about the other interpreter, which takes seconds to start
        monkeypatch.setattr(Planter, "digest_elsewhere", lambda self: digest_of(self.plant()))
    bad, words = BAD[name]
    examination = Examination(bad, PLANTING_CHECKS)
    check = next(check for check in PLANTING_CHECKS if check.name == name)
    for need in check.needs:
        assert examination.result(need).status == "ok", examination.result(need)
    found = examination.result(name)
    assert found.status == "failed"
    assert words in found.got
    assert found.expected


def test_a_good_planter_passes_all():
    results = {result.check: result for result in run_family_checks(planter())}
    assert list(results) == CHECK_NAMES
    assert {name: one.got for name, one in results.items() if one.status != "ok"} == {}


@parametrize_family_checks("teacher", dials={"units": 6}, width=24)
def test_a_family_without_a_formula_can_be_examined(check):
    if check.name in {"loads", "dials", "plants", "ticket", "exact", "gates"}:
        check()


def test_an_error_of_the_family_fails_a_check_and_shows_where():
    class Broken(Wave):
        name = "test-broken"

        def domain(self):
            return {}["domain"]

    found = Examination(planter(Broken()), PLANTING_CHECKS).result("domain")
    assert "KeyError" in found.got
    assert "return {}" in found.traceback


def test_checks_that_are_left_out_must_exist():
    with pytest.raises(UnknownNameError, match="did you mean 'gates'"):
        parametrize_family_checks("circle", leave_out=["gate"])
    mark = parametrize_family_checks("circle", leave_out=["gates"])
    assert len(mark.args[1]) == len(CHECK_NAMES) - 1


def test_a_family_that_nobody_knows_says_so_as_a_failure():
    check = parametrize_family_checks("test-nobody").args[1][0]
    with pytest.raises(CheckFailure, match="no target family is named 'test-nobody'"):
        check()

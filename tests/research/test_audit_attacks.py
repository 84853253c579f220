"""The choice among attackers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.research.audit.attacks import Attack, strongest_attack
from plantkit.research.audit.cases import Case

SPEC = PerceptronSpec(widths=(10, 10))
WEIGHT, BIAS = SPEC.shapes


def attack(name, weight, bias):
    return Attack(name=name, found={WEIGHT: [], BIAS: []}, rehearsal={WEIGHT: weight, BIAS: bias})


@pytest.fixture
def cases():
    """Ten training networks: 300 ticket weights and 50 ticket biases in all."""
    labels = {WEIGHT: np.arange(100) < 30, BIAS: np.arange(10) < 5}
    return [Case(spec=SPEC, parameters={}, path=Path(), labels=labels)] * 10


def test_the_best_overall_acts_where_no_other_is_clearly_better(cases):
    general, lucky = attack("general", 0.6, 0.5), attack("lucky", 0.5, 0.58)
    chosen = strongest_attack([lucky, general], cases)  # 0.08 is two deviations of 50 entries
    assert chosen.choices == {WEIGHT: "general", BIAS: "general"}


def test_another_acts_where_it_is_clearly_better(cases):
    general, special = attack("general", 0.6, 0.5), attack("special", 0.5, 0.6)
    chosen = strongest_attack([general, special], cases)
    assert chosen.choices == {WEIGHT: "general", BIAS: "special"}
    assert chosen.rehearsal == {WEIGHT: 0.6, BIAS: 0.6}


def test_who_has_nothing_to_go_by_does_not_act(cases):
    blind, other = attack("blind", 0.9, 0.0), attack("other", 0.5, 0.4)
    assert strongest_attack([blind, other], cases).choices[BIAS] == "other"

"""The choice among attackers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plantkit.networks import PerceptronSpec
from plantkit.planting.exposed.cases import Case
from plantkit.research.audit.attacks import Attack, separable, strongest_attack

SPEC = PerceptronSpec(widths=(10, 10))
WEIGHT, BIAS = SPEC.shapes
WEIGHTS = {WEIGHT: 300, BIAS: 50}
"""Ticket entries of ten training networks."""


def attack(name, weight, bias):
    return Attack(name=name, found={WEIGHT: [], BIAS: []}, rehearsal={WEIGHT: weight, BIAS: bias})


def test_entries_that_can_be_told_from_others_are_counted():
    def case(weights, biases):
        labels = {WEIGHT: np.arange(100) < weights, BIAS: np.arange(10) < biases}
        return Case(spec=SPEC, parameters={}, path=Path(), features={}, labels=labels)

    assert separable([case(30, 5)] * 10) == WEIGHTS
    assert separable([case(30, 10), case(0, 9)]) == {WEIGHT: 30, BIAS: 9}


def test_the_best_overall_acts_where_no_other_is_clearly_better():
    general, lucky = attack("general", 0.6, 0.5), attack("lucky", 0.5, 0.58)
    chosen = strongest_attack([lucky, general], WEIGHTS)  # 0.08 is two deviations of 50 entries
    assert chosen.choices == {WEIGHT: "general", BIAS: "general"}


def test_another_acts_where_it_is_clearly_better():
    general, special = attack("general", 0.6, 0.5), attack("special", 0.5, 0.6)
    chosen = strongest_attack([general, special], WEIGHTS)
    assert chosen.choices == {WEIGHT: "general", BIAS: "special"}
    assert chosen.rehearsal == {WEIGHT: 0.6, BIAS: 0.6}


def test_who_has_nothing_to_go_by_does_not_act():
    blind, other = attack("blind", 0.9, 0.0), attack("other", 0.5, 0.4)
    assert strongest_attack([blind, other], WEIGHTS).choices[BIAS] == "other"

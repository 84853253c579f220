"""Single features: which one an attacker takes, in which direction, and what it is worth."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.exposed import Case
from plantkit.research.audit.attackers import choose_attackers
from plantkit.research.audit.attacks import run_attacks
from plantkit.research.audit.singles import FeatureAucs, feature_figures

SPEC = PerceptronSpec(widths=(2, 2))
WEIGHT, BIAS = SPEC.shapes
FEATURES = {WEIGHT: ("value", "magnitude", "repeats"), BIAS: ("value",)}
TICKET = [True, True, False, False]


@pytest.fixture
def case(tmp_path):
    """Makes cases, with their codes in a file each."""
    made = []

    def make(value, magnitude, *, labels=TICKET, bias=(9, 1)):
        path = tmp_path / f"{len(made)}.npz"
        codes = {
            WEIGHT: np.array([value, magnitude, [7] * 4], dtype=np.uint8).T,
            BIAS: np.array([bias], dtype=np.uint8).T,
        }
        np.savez(path, allow_pickle=False, **codes)
        made.append(
            Case(
                spec=SPEC,
                parameters={},
                path=path,
                features=FEATURES,
                labels={WEIGHT: np.array(labels), BIAS: np.array([True, False])},
            )
        )
        return made[-1]

    return make


@pytest.fixture
def cases(case):
    """Low magnitudes are the ticket's in all networks, high values in all but the last."""
    high, low = [200, 180, 20, 30], [10, 20, 200, 220]
    return [case(high, low), case(high, low), case(high, low), case(low, low, bias=(1, 9))]


def test_the_best_feature_and_direction_are_chosen(cases):
    seen = FeatureAucs(cases)
    assert seen.mean(WEIGHT) == pytest.approx([0.75, 0.0, 0.5])
    assert seen.mean(WEIGHT, [0, 3]) == pytest.approx([0.5, 0.0, 0.5])
    everything = range(4)
    assert seen.choose("magnitude", everything) == {WEIGHT: (1, False), BIAS: (0, True)}
    assert seen.choose("repeats", everything) == {WEIGHT: (2, True)}
    assert seen.choose("paths", everything) == {}


def test_networks_count_by_their_ticket_entries_and_not_without_others(case, cases):
    one = case([255, 0, 0, 0], [1] * 4, labels=[False, True, False, False])
    whole = case([1] * 4, [1] * 4, labels=[True] * 4)
    seen = FeatureAucs([cases[0], one, whole])
    assert seen.weight(WEIGHT) == 3
    assert seen.mean(WEIGHT)[0] == pytest.approx((2 * 1 + 1 / 3) / 3)


def test_attackers_are_judged_on_networks_they_have_not_seen(cases):
    groups = choose_attackers(["magnitude", "repeats"])
    done = run_attacks(groups, cases, cases, np.random.default_rng(0), pytest.fail)
    magnitude, repeats = (attack for attack, _ in done.values())
    assert magnitude.choices == {WEIGHT: "magnitude, low", BIAS: "value, high"}
    assert [found.auc for found in magnitude.found[WEIGHT]] == [1.0] * 4
    assert [found.auc for found in magnitude.found[BIAS]] == [1.0, 1.0, 1.0, 0.0]
    # Who never saw the last network goes by values, which are as good in the others.
    assert magnitude.rehearsal == {WEIGHT: 0.75, BIAS: 0.75}
    assert repeats.rehearsal == {WEIGHT: 0.5, BIAS: 0.0}  # it has nothing to go by in biases
    assert [found.positives for found in repeats.found[BIAS]] == [0] * 4
    assert repeats.choices == {WEIGHT: "repeats, high"}


def test_figures_go_in_the_direction_of_the_training_networks(cases):
    figures = feature_figures(FeatureAucs(cases), FeatureAucs(cases[3:]))
    assert [one.name for one in figures] == ["magnitude", "repeats", "value"]
    assert [one.auc for one in figures] == [1.0, 0.5, 0.0]
    assert figures[0].auc_of_high_values == {WEIGHT: 0.0}
    assert figures[2].auc_of_high_values == {WEIGHT: 0.0, BIAS: 0.0}
    assert (figures[1].group, figures[2].group) == ("repeats", "magnitude")

"""IMP written out round by round, and its three ways to go on."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_problem
from plantkit_baselines.imp import ImpPruner, round_densities
from plantkit_baselines.magnitude import MagnitudePruner

from plantkit import PerceptronSpec, Recipe, Scope
from plantkit.networks import flatten

WIDTHS = (2, 5, 4, 3)
SPEC = PerceptronSpec(widths=WIDTHS)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.02)


def problem_of(density):
    return tiny_problem(widths=WIDTHS, density=density, recipe=RECIPE)  # 9 steps of training


def highest(parameters, count, among=None):
    values = flatten(SPEC, parameters).abs()
    if among is not None:
        values = torch.where(flatten(SPEC, among), values, -1.0)
    kept = torch.zeros(54, dtype=torch.bool)
    kept[values.argsort(descending=True, stable=True)[:count]] = True
    return kept


def as_mask(problem, vector):
    return type(problem.full_mask()).from_vector(SPEC, vector)


def test_rounds_by_hand():
    assert round_densities(0.5, rate=0.2, rounds=0) == pytest.approx([0.8, 0.64, 0.512, 0.5])
    assert round_densities(0.64, rate=0.2, rounds=0) == pytest.approx([0.8, 0.64])
    assert round_densities(1.0, rate=0.2, rounds=0) == [1.0]
    assert round_densities(0.01, rate=0.2, rounds=2) == pytest.approx([0.1, 0.01])
    assert round_densities(0.3, rate=0.2, rounds=1) == [0.3]


def test_one_shot_keeps_what_is_largest_after_training():
    problem = problem_of(0.3)
    mask = ImpPruner(rounds=1).prune(problem, 0.3, seed=0)
    assert torch.equal(mask.vector(SPEC), highest(problem.fit(problem.full_mask()), 16))


@pytest.mark.parametrize("scope", [Scope.GLOBAL, Scope.LTH])
def test_resetting_is_multishot_magnitude_pruning(scope):
    problem = problem_of(0.2)
    mask = ImpPruner(rounds=4, epochs=2, scope=scope.value).prune(problem, 0.2, seed=1)
    same = MagnitudePruner(schedule="multishot", rounds=4, epochs=2, scope=scope.value)
    assert torch.equal(mask.vector(SPEC), same.prune(problem, 0.2, seed=1).vector(SPEC))


def test_two_rounds_rewound_to_a_step():
    """The dense network's first 4 of 9 steps are kept; each round trains the other 5."""
    problem = problem_of(0.25)
    full = problem.full_mask()
    early = problem.fit(full, last_step=4)
    first = highest(problem.fit(full, start=early, first_step=4), 27)
    kept = as_mask(problem, first)
    second = highest(problem.fit(kept, start=early, first_step=4), 13, among=kept)
    mask = ImpPruner(rounds=2, rewind=4).prune(problem, 0.25, seed=0)
    assert torch.equal(mask.vector(SPEC), second)


def test_two_rounds_of_rate_rewinding():
    """The second round starts from the weights that the first one ended with."""
    problem = problem_of(0.25)
    trained = problem.fit(problem.full_mask())
    kept = as_mask(problem, highest(trained, 27))
    second = highest(problem.fit(kept, start=trained), 13, among=kept)
    mask = ImpPruner(rounds=2, rate_rewinding=True).prune(problem, 0.25, seed=0)
    assert torch.equal(mask.vector(SPEC), second)


def test_a_step_beyond_the_training_is_its_end():
    problem = problem_of(0.3)
    mask = ImpPruner(rounds=1, rewind=10**6).prune(problem, 0.3, seed=0)
    assert torch.equal(mask.vector(SPEC), highest(problem.fit(problem.full_mask()), 16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.0}, r"rate is 1\.0; expected a number between 0 and 1"),
        ({"rounds": -1}, "rounds is -1; expected 0 or more"),
        ({"rewind": -1}, "rewind is -1; expected 0 or more"),
        ({"rewind": 3, "rate_rewinding": True}, "rewind is 3; expected 0 with rate_rewinding"),
        ({"scope": "local"}, "local"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ImpPruner(**options)

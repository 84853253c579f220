"""What a pruner is given, and that it cannot change it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of, tiny_problem
from plain_images import NORMALISED, normalised

from plantkit import SaliencyPruner
from plantkit.errors import MaskError
from plantkit.networks import flatten
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Recipe, Run, Samples, trace, train
from plantkit.pruners.problem import Problem

KINDS = ("classification", "regression")
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)


def test_budget_rounds_down_over_weights_and_biases():
    problem = tiny_problem(widths=(2, 3, 1), density=0.3)  # 13 parameters
    assert problem.budget == 3
    assert tiny_problem(widths=(2, 3, 1), density=1.0).budget == 13
    assert tiny_problem(widths=(2, 3, 1), density=1 / 13).budget == 1


def test_shows_name_density_and_budget():
    assert repr(tiny_problem(widths=(2, 3, 1))) == "Problem('tiny', density=0.3, budget=3)"


@pytest.mark.parametrize("kind", KINDS)
def test_mutating_what_it_hands_out_changes_nothing(kind):
    problem = tiny_problem(kind, recipe=RECIPE)
    weights, data, outputs = problem.weights, problem.train, problem.module()(problem.train.inputs)
    for value in problem.weights.values():
        value.fill_(7.0)
    problem.train.inputs.zero_()
    problem.train.targets.zero_()
    with torch.no_grad():
        for parameter in problem.module().parameters():
            parameter.zero_()
    problem.weights.clear()
    for value in problem.full_mask().values():
        value.zero_()
    for value in problem.fit(problem.full_mask(), epochs=1).values():
        value.zero_()
    assert all(torch.equal(problem.weights[name], value) for name, value in weights.items())
    assert torch.equal(problem.train.inputs, data.inputs)
    assert torch.equal(problem.train.targets, data.targets)
    assert torch.equal(problem.module()(data.inputs), outputs)
    assert problem.full_mask().density == 1.0


def test_mutating_what_it_was_made_from_changes_nothing():
    original = tiny_problem()
    weights, data = original.weights, original.train
    problem = Problem(
        name="tiny",
        network=original.network,
        task=original.task,
        weights=weights,
        train=data,
        density=0.5,
    )
    for value in weights.values():
        value.zero_()
    data.inputs.zero_()
    assert all(torch.equal(problem.weights[name], original.weights[name]) for name in weights)
    assert torch.equal(problem.train.inputs, original.train.inputs)


def test_weights_are_in_the_order_of_the_network_and_need_no_gradient():
    problem = tiny_problem()
    assert list(problem.weights) == list(problem.network.shapes)
    assert not any(value.requires_grad for value in problem.weights.values())
    assert all(parameter.requires_grad for parameter in problem.module().parameters())


def test_the_module_computes_with_the_initial_weights():
    problem = tiny_problem()
    module = problem.module()
    assert all(
        torch.equal(parameter, problem.weights[name])
        for name, parameter in module.named_parameters()
    )
    assert module is not problem.module()


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_the_tasks(kind):
    problem = tiny_problem(kind)
    data = problem.train
    outputs = problem.module()(data.inputs)
    expected = make_task(kind, 3).loss(outputs, data.targets)
    assert torch.equal(problem.loss(outputs, data.targets), expected)


def draw(problem):
    return torch.rand(4, generator=problem.generator).tolist()


def test_generator_is_fresh_and_depends_on_seed_and_name_only():
    problem = tiny_problem(seed=1)
    assert draw(problem) == draw(problem)
    assert draw(problem) == draw(problem.at(density=0.9, seed=1))
    assert draw(problem) != draw(problem.at(density=0.3, seed=2))
    assert draw(problem) != draw(tiny_problem(seed=1, name="other"))


def test_generator_leaves_the_global_one_untouched():
    before = torch.random.get_rng_state()
    draw(tiny_problem())
    tiny_problem().module()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_at_changes_density_and_seed_only():
    problem = tiny_problem(recipe=RECIPE)
    other = problem.at(density=0.9, seed=5)
    assert (other.density, other.seed, other.name) == (0.9, 5, "tiny")
    assert (other.recipe, other.network, other.task) == (RECIPE, problem.network, problem.task)
    assert all(torch.equal(other.weights[name], value) for name, value in problem.weights.items())
    assert problem.density == 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_fit_is_the_trainer(kind):
    problem = tiny_problem(kind, recipe=RECIPE, seed=4)
    mask = random_mask(problem.network, 0.7)
    fitted = problem.fit(mask)
    run = Run(start=problem.weights, mask=mask, seed=4)
    trained = train(problem.network, problem.task, problem.train, [run], RECIPE)
    assert torch.equal(flatten(problem.network, fitted), trained[0])
    assert {name: value.shape for name, value in fitted.items()} == {
        name: value.shape for name, value in problem.weights.items()
    }


def test_fit_with_its_own_epochs_start_and_seed():
    problem = tiny_problem(recipe=RECIPE)
    mask = random_mask(problem.network, 0.7)
    start = random_weights(problem.network, 9)
    fitted = problem.fit(mask, epochs=1, start=start, seed=3)
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.01)
    run = Run(start=start, mask=mask, seed=3)
    trained = train(problem.network, problem.task, problem.train, [run], recipe)
    assert torch.equal(flatten(problem.network, fitted), trained[0])


def test_fit_in_parts_is_the_trainers_trace():
    problem = tiny_problem(recipe=RECIPE)
    mask = random_mask(problem.network, 0.7)
    early = problem.fit(mask, last_step=2)
    late = problem.fit(mask, start=early, first_step=2)
    for start, first, last, found in (
        (problem.weights, 0, 2, early),
        (early, 2, RECIPE.steps(len(problem.train)), late),
    ):
        traced = trace(
            problem.network,
            problem.task,
            problem.train,
            [Run(start=start, mask=mask, seed=problem.seed)],
            RECIPE,
            steps=[last],
            first_step=first,
        )
        assert torch.equal(flatten(problem.network, found), traced[0][0])
    with pytest.raises(ValueError, match="steps are"):
        problem.fit(mask, first_step=3, last_step=2)


def test_fit_takes_any_zero_one_mapping_of_any_density():
    problem = tiny_problem(recipe=RECIPE, density=0.1)
    ones = {name: torch.ones(shape) for name, shape in problem.network.shapes.items()}
    fitted, expected = problem.fit(ones), problem.fit(Mask.full(problem.network))
    assert all(torch.equal(fitted[name], expected[name]) for name in expected)


def test_fit_refuses_a_wrong_mask():
    problem = tiny_problem()
    with pytest.raises(MaskError, match=r"mask has no entry for 'layers\.0\.weight'"):
        problem.fit({})


def test_a_batch_of_one_sample_keeps_its_axis():
    problem = tiny_problem("regression", widths=(2, 4, 1), count=9, recipe=RECIPE)  # 8 + 1
    assert problem.train.targets.shape == (9, 1)
    assert all(bool(value.isfinite().all()) for value in problem.fit(problem.full_mask()).values())


def test_default_recipe():
    assert tiny_problem().recipe == Recipe()


def test_holds_no_other_attributes():
    problem = tiny_problem()
    with pytest.raises(AttributeError):
        problem.ticket = None
    assert isinstance(problem.train, Samples)


def test_other_weights_are_scored_and_trained_from():
    problem = tiny_problem(widths=(2, 3, 1), kind="regression", recipe=RECIPE)
    doubled = {name: 2 * value for name, value in problem.weights.items()}
    other = problem.with_weights(doubled)
    assert all(torch.equal(other.weights[name], value) for name, value in doubled.items())
    inputs = problem.train.inputs
    assert torch.equal(other.module().layers[0](inputs), 2 * problem.module().layers[0](inputs))
    mask = problem.full_mask()
    trained, expected = other.fit(mask), problem.fit(mask, start=doubled)
    assert all(torch.equal(trained[name], expected[name]) for name in expected)
    with pytest.raises(ValueError, match=r"'layers\.0\.weight' have shape \(2, 2\); expected"):
        problem.with_weights(doubled | {"layers.0.weight": torch.ones(2, 2)})
    with pytest.raises(ValueError, match="have shape None"):
        problem.with_weights({})


# --- batch normalisation


def normalised_problem() -> Problem:
    return Problem(
        name="images",
        network=NORMALISED,
        task=task_of(NORMALISED, "classification"),
        weights=random_weights(NORMALISED),
        train=random_samples(NORMALISED, "classification", 40),
        density=0.4,
        recipe=Recipe(epochs=2, batch_size=8, learning_rate=0.01),
    )


def test_trained_weights_bring_the_statistics_of_the_training_data():
    problem = normalised_problem()
    trained = problem.fit(problem.full_mask())
    inputs = problem.train.inputs
    fresh = problem.with_weights(trained).module()
    torch.testing.assert_close(fresh(inputs), normalised(trained, inputs, False))
    ended = problem.with_weights(trained, trained=True)
    expected = normalised(trained, inputs, True)  # all training data are one batch
    torch.testing.assert_close(ended.module()(inputs), expected, rtol=1e-4, atol=1e-4)
    # Of a few samples, too: the statistics stay.
    torch.testing.assert_close(ended.module()(inputs[:2]), expected[:2], rtol=1e-4, atol=1e-4)
    # It stays so for another density, and masked weights get their own statistics.
    masked = {name: value * (value > 0) for name, value in trained.items()}
    other = ended.at(density=0.1, seed=3).with_weights(masked)
    expected = normalised(masked, inputs, True)
    torch.testing.assert_close(other.module()(inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [False]),
        ({"schedule": "iterated", "rounds": 2}, [False, False]),
        ({"schedule": "multishot", "rounds": 2, "epochs": 1}, [True, True]),
        ({"rewind": 3}, [True]),
        ({"schedule": "iterated", "rounds": 2, "rewind": 3}, [True, True]),
    ],
)
def test_schedules_say_which_weights_are_trained(options, expected):
    seen = []

    @dataclass(frozen=True, kw_only=True)
    class Watching(SaliencyPruner):
        name = "watching"

        def saliency(self, problem, *, seed):
            seen.append(problem.is_trained)
            return {name: value.abs() for name, value in problem.weights.items()}

    problem = normalised_problem()
    Watching(**options).prune(problem, problem.density, seed=0)
    assert seen == expected

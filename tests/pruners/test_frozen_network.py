"""Networks under masks that are learnt: their outputs, their loss, their batches."""

from __future__ import annotations

import pytest
import torch
from builders import random_mask, tiny_problem
from torch.nn import functional

from plantkit import FrozenNetwork
from plantkit.networks import build_module
from plantkit.networks.training.accuracy import strong_accuracy
from plantkit.testing.problems import make_problem

KINDS = ("classification", "regression")
WIDTHS = (2, 5, 4, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_the_masked_module(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    mask = random_mask(problem.network, 0.6)
    module = build_module(
        problem.network, {name: value * mask[name] for name, value in problem.weights.items()}
    )
    network = FrozenNetwork(problem)
    found = network.outputs(mask.vector(problem.network), problem.train.inputs)
    torch.testing.assert_close(found, module(problem.train.inputs))


def test_traced_layers_read_what_the_layers_below_compute_under_the_mask():
    problem = tiny_problem(widths=WIDTHS)
    network, inputs = FrozenNetwork(problem), problem.train.inputs
    mask = random_mask(problem.network, 0.6).vector(problem.network).float()
    parameters, value = network.named(network.weights * mask), inputs
    for _ in range(2):  # what hooks leave behind would show the second time
        outputs, layers = network.traced(mask, inputs)
        assert list(layers) == [f"layers.{number}.weight" for number in range(3)]
    for name, (given, made) in layers.items():
        torch.testing.assert_close(given, value)
        bias = parameters[name.replace("weight", "bias")]
        torch.testing.assert_close(made, given @ parameters[name].T + bias)
        value = torch.relu(made)
    torch.testing.assert_close(outputs, network.outputs(mask, inputs))
    assert outputs is layers["layers.2.weight"][1]


def test_only_linear_layers_of_a_network_on_images_are_traced():
    problem = make_problem("convolution")
    network = FrozenNetwork(problem)
    _, layers = network.traced(torch.ones(problem.network.total), problem.train.inputs)
    shapes = problem.network.shapes
    assert list(layers) == [name for name, shape in shapes.items() if len(shape) == 2]


@pytest.mark.parametrize("kind", KINDS)
def test_performance_is_the_strong_one_on_training_data(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    mask = random_mask(problem.network, 0.6)
    data = problem.train
    (expected,) = strong_accuracy(
        problem.network, problem.task, problem.weights, [mask], train_data=data, test_data=data
    )
    found = FrozenNetwork(problem).accuracy(mask.vector(problem.network))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-30, 1e-3, 1.0, 1e3])
def test_the_loss_does_not_depend_on_the_scale(kind, factor):
    problem = tiny_problem(kind, widths=WIDTHS)
    weights = problem.weights
    for part in ("weight", "bias"):
        weights[f"layers.2.{part}"] *= factor
    network = FrozenNetwork(problem.with_weights(weights))
    kept = torch.ones(54, requires_grad=True)
    loss = network.loss(kept, problem.train)
    torch.testing.assert_close(loss, FrozenNetwork(problem).loss(torch.ones(54), problem.train))
    (gradient,) = torch.autograd.grad(loss, kept)
    assert bool(gradient.isfinite().all())
    assert bool(gradient.any())


def test_the_loss_by_hand():
    regression = tiny_problem("regression", widths=WIDTHS).task
    outputs, targets = torch.tensor([[1.0], [1.0]]), torch.tensor([[3.0], [1.0]])
    # The best factor is 2, which leaves 1 and 1 of 9 and 1.
    assert float(regression.scale_free_loss(outputs, targets, sharpness=torch.ones(()))) == (
        pytest.approx(0.2)
    )
    classes = tiny_problem(widths=(2, 2)).task
    outputs, targets = torch.tensor([[3.0, -3.0]]), torch.tensor([0])
    expected = functional.cross_entropy(torch.tensor([[2.0, -2.0]]), targets)
    assert torch.equal(
        classes.scale_free_loss(outputs, targets, sharpness=torch.tensor(2.0)), expected
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_network_has_a_loss_and_no_nan(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    network = FrozenNetwork(problem)
    kept = torch.zeros(54, requires_grad=True)
    loss = network.loss(kept, problem.train)
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(kept.grad.isfinite().all())


def test_batches_go_through_all_samples_in_every_epoch():
    problem = tiny_problem(widths=WIDTHS, count=20)
    batches = list(FrozenNetwork(problem).batches(7, 8, torch.Generator().manual_seed(0)))
    assert [len(batch) for batch in batches] == [8, 8, 4, 8, 8, 4, 8]
    seen = torch.cat([batch.inputs for batch in batches[:3]])
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, problem.train.inputs.tolist()))
    assert not torch.equal(seen, torch.cat([batch.inputs for batch in batches[3:6]]))


@pytest.mark.parametrize("kind", KINDS)
def test_many_masks_give_the_outputs_of_each(kind):
    problem = tiny_problem(kind, widths=WIDTHS)
    network = FrozenNetwork(problem)
    kept = torch.rand(3, 54, generator=torch.Generator().manual_seed(0))
    found = network.outputs_of_runs(kept, problem.train.inputs)
    expected = [network.outputs(each, problem.train.inputs) for each in kept]
    torch.testing.assert_close(found, torch.stack(expected))


def test_trained_weights_hold_their_statistics_in_every_output():
    problem = make_problem("residual").at(density=0.5, seed=0)
    trained = problem.with_weights(problem.fit(problem.full_mask(), epochs=5), trained=True)
    network, inputs = FrozenNetwork(trained), problem.train.inputs
    whole = torch.ones(problem.network.total)
    expected = trained.module()(inputs)
    assert not torch.allclose(
        expected, trained.with_weights(trained.weights, trained=False).module()(inputs)
    )
    narrow, places = network.narrowed(whole.bool())
    kept = torch.cat([whole, whole.new_zeros(1)])[places]
    for found in (
        network.outputs(whole, inputs),
        network.outputs_of_runs(whole.unsqueeze(0), inputs)[0],
        narrow.outputs(kept, inputs),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_slopes_are_those_of_every_sample():
    problem = tiny_problem(widths=WIDTHS)
    network = FrozenNetwork(problem)
    kept = random_mask(problem.network, 0.7).vector(problem.network).float().requires_grad_()
    pulls = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    found = network.slopes(kept.detach(), problem.train.inputs, pulls)
    for slope, sample, pull in zip(found, problem.train.inputs, pulls, strict=True):
        output = network.outputs(kept, sample.unsqueeze(0))[0] @ pull
        torch.testing.assert_close(slope, torch.autograd.grad(output, kept)[0])


def test_a_narrowed_network_has_the_same_outputs():
    problem = tiny_problem(widths=(2, 40, 40, 3))
    mask = torch.zeros(problem.network.total, dtype=torch.bool)
    parts = problem.network.shapes
    named = FrozenNetwork(problem).named(mask)
    for name in parts:  # units 30 and above of both hidden layers
        named[name][(slice(30, None),) * (1 + name.startswith("layers.1.w"))] = True
    named["layers.2.weight"][:] = named["layers.2.bias"][:] = True
    network = FrozenNetwork(problem)
    narrow, places = network.narrowed(mask)
    assert narrow.spec.widths == (2, 16, 16, 3)
    kept = torch.cat([mask, mask.new_zeros(1)])[places]
    assert int(kept.sum()) < int(mask.sum())  # weights of idle units are left out
    torch.testing.assert_close(
        narrow.outputs(kept, problem.train.inputs), network.outputs(mask, problem.train.inputs)
    )
    assert network.spec.widths == (2, 40, 40, 3)

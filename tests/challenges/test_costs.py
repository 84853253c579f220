"""The costs of removing entries: worked out by hand, and what the strong track says."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of

from plantkit.challenges.costs import COUNTED, RemovalCosts, removal_costs
from plantkit.networks import PerceptronSpec, flatten, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Samples
from plantkit.networks.training.accuracy import strong_accuracy, trivial_accuracy
from plantkit.schemas import violations

SPEC = PerceptronSpec(widths=(1, 2, 1))
GRID = torch.linspace(-1, 1, 200).unsqueeze(1)


def kinks(*, second: float, bias: float = 0.0) -> SimpleNamespace:
    """Returns max(0, x) + `second` max(0, -x), and a bias on the output, as labels and ticket."""
    weights = {
        "layers.0.weight": torch.tensor([[1.0], [-1.0]]),
        "layers.0.bias": torch.zeros(2),
        "layers.1.weight": torch.tensor([[1.0, second]]),
        "layers.1.bias": torch.tensor([bias]),
    }
    kept = {name: value != 0 for name, value in weights.items()}
    targets = torch.relu(GRID) + second * torch.relu(-GRID) + bias
    return SimpleNamespace(
        network=SPEC,
        task=make_task("regression", 1),
        weights=weights,
        ticket=Mask(kept),
        train=Samples(inputs=GRID, targets=targets),
    )


def costs_of(case: SimpleNamespace) -> RemovalCosts:
    return removal_costs(case.network, case.task, case.weights, case.ticket, case.train)


def test_costs_by_hand():
    """Labels are x: without one kink what is left is the other, scaled to fit as well as it can."""
    found = costs_of(kinks(second=-1.0))
    x = GRID.numpy().ravel()
    left = np.maximum(x, 0)  # the best factor for it is 1: it explains half of the power
    error = np.square(x - left).mean() / x.var()
    assert error == pytest.approx(0.5)
    for name, columns in (("layers.0.weight", [[1], [1]]), ("layers.1.weight", [[1, 1]])):
        every = torch.tensor(columns, dtype=torch.float64)
        torch.testing.assert_close(found.shares[name], 0.5 * every, atol=1e-5, rtol=0)
    for name in ("layers.0.bias", "layers.1.bias"):
        assert not found.shares[name].any()
    assert found.to_json() == [{"at_least": cost, "entries": 4} for cost in COUNTED]


def test_an_entry_that_loses_more_than_everything_costs_1():
    """Labels |x| + 100: without the bias, no factor makes the rest as good as a constant."""
    found = costs_of(kinks(second=1.0, bias=100.0))
    assert found.shares["layers.1.bias"].item() == 1


def test_an_entry_that_does_nothing_costs_nothing():
    case = kinks(second=-1.0)
    case.ticket = Mask.full(SPEC)  # with three biases, all of them zero
    found = costs_of(case)
    assert not found.shares["layers.0.bias"].any()
    assert [count["entries"] for count in found.to_json()] == [4, 4, 4]


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_cost_is_what_the_strong_track_says(kind):
    """The mask has units that nothing feeds and some that nobody reads."""
    spec = PerceptronSpec(widths=(2, 9, 8, 7, 3))
    task, train = task_of(spec, kind), random_samples(spec, kind, 60)
    weights = random_weights(spec)
    drawn = random_mask(spec, 0.4, seed=3)
    mask = Mask({**drawn, "layers.3.bias": torch.ones(3)})
    # The data are the mask's own, centred so that every class is there, and with noise.
    weights["layers.3.bias"] -= outputs_of(spec, weights, mask, train.inputs).mean(dim=0)
    outputs = outputs_of(spec, weights, mask, train.inputs)
    noise = 0.3 * outputs.std() * torch.randn(outputs.shape, generator=torch.manual_seed(0))
    targets = (outputs + noise).argmax(dim=1) if kind == "classification" else outputs + noise
    train = Samples(inputs=train.inputs, targets=targets)
    found = removal_costs(spec, task, weights, mask, train)

    kept = mask.vector(spec)
    masks = [kept]
    for place in kept.nonzero().ravel():
        masks.append(kept.clone())
        masks[-1][place] = False
    whole, *without = strong_accuracy(
        spec,
        task,
        weights,
        [unflatten(spec, one) for one in masks],
        train_data=train,
        test_data=train,
    )
    trivial = trivial_accuracy(task, train_data=train, test_data=train)
    assert whole > trivial
    shares = np.clip([(whole - one) / (whole - trivial) for one in without], 0, 1)
    assert flatten(spec, found.shares)[kept].numpy() == pytest.approx(shares, abs=1e-5)
    assert not flatten(spec, found.shares)[~kept].any()
    assert (found.ticket, found.trivial) == (pytest.approx(whole, abs=1e-5), trivial)
    counts = [int((shares >= cost).sum()) for cost in COUNTED]
    assert [one["entries"] for one in found.to_json()] == counts
    assert 0 < counts[0] < len(shares)


def outputs_of(spec, weights, mask, inputs):
    masked = {name: (value * mask[name]).unsqueeze(0) for name, value in weights.items()}
    return spec.forward_runs(masked, inputs)[0]


def test_a_ticket_no_better_than_a_constant_has_nothing_to_lose():
    case = kinks(second=-1.0)
    case.train = Samples(inputs=GRID, targets=torch.relu(GRID.abs() - 0.9))  # even; the ticket odd
    found = costs_of(case)
    assert not any(value.any() for value in found.shares.values())
    assert found.ticket <= found.trivial


def test_a_manifest_may_state_the_counts(circle):
    manifest = copy.deepcopy(dict(circle.manifest))
    costs = removal_costs(
        circle.network, circle.task, circle.weights, circle.truth.ticket, circle.train
    )
    manifest["ticket"]["costs"] = costs.to_json()
    assert not violations(manifest, "challenge")
    manifest["ticket"]["costs"][0]["where"] = "layers.0.weight"
    assert violations(manifest, "challenge")

"""A kind of network that the package does not know, in everything that takes a network.

It defines only what it must. Nothing else may need to know of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of
from torch import Tensor, nn

from plantkit import SaliencyPruner
from plantkit.networks import (
    KINDS,
    Network,
    build_module,
    flatten,
    network_from_json,
    unflatten,
    weight_name,
)
from plantkit.networks.connectivity import connectivity
from plantkit.networks.masks import Mask
from plantkit.networks.training import Recipe, Run, data_order, evaluate, train
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.pruners.problem import Problem

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)


class ResidualModule(nn.Module):
    """hidden = x A'; hidden += relu(hidden B') for every block; outputs = hidden C' + c."""

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        pairs = itertools.pairwise([spec.inputs, *[spec.width] * (spec.blocks + 1)])
        linear = [nn.Linear(fan_in, fan_out, bias=False) for fan_in, fan_out in pairs]
        self.layers = nn.ModuleList([*linear, nn.Linear(spec.width, spec.outputs)])

    def forward(self, inputs: Tensor) -> Tensor:
        first, *blocks, last = self.layers
        hidden = first(inputs)
        for block in blocks:
            hidden = hidden + torch.relu(block(hidden))
        return last(hidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualSpec(Network):
    """Blocks of one width, each added to what it is given, without biases but in the last layer."""

    kind: ClassVar[str] = "residual"

    inputs: int
    width: int
    blocks: int
    outputs: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        inner = [(self.width, self.inputs), *[(self.width, self.width)] * self.blocks]
        last = self.blocks + 1
        return {weight_name(layer): shape for layer, shape in enumerate(inner)} | {
            weight_name(last): (self.outputs, self.width),
            f"layers.{last}.bias": (self.outputs,),
        }

    @property
    def label(self) -> str:
        return f"residual-{self.blocks}x{self.width}"

    def empty_module(self) -> ResidualModule:
        return ResidualModule(self)


SPEC = ResidualSpec(inputs=3, width=6, blocks=2, outputs=3)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(KINDS, ResidualSpec.kind, ResidualSpec)


def trained_plainly(task, data, run: Run) -> Tensor:
    """Returns the parameters (total,) after one run by torch's own module, autograd and Adam."""
    module = build_module(SPEC, {name: run.start[name] * run.mask[name] for name in SPEC.shapes})
    optimizer = torch.optim.Adam(module.parameters(), lr=RECIPE.learning_rate)
    for epoch in range(RECIPE.epochs):
        for batch in torch.split(data_order(run.seed, epoch, len(data)), RECIPE.batch_size):
            optimizer.zero_grad()
            task.loss(module(data.inputs[batch]), data.targets[batch]).backward()
            for name, value in module.named_parameters():
                value.grad *= run.mask[name]
            optimizer.step()
    return flatten(SPEC, {name: value.detach() for name, value in module.named_parameters()})


def test_json_round_trip_and_dimensions():
    assert SPEC.to_json() == {
        "kind": "residual",
        "inputs": 3,
        "width": 6,
        "blocks": 2,
        "outputs": 3,
    }
    assert network_from_json(SPEC.to_json()) == SPEC
    assert SPEC.total == 18 + 2 * 36 + 18 + 3 == flatten(SPEC, random_weights(SPEC)).numel()
    assert (SPEC.depth, list(SPEC.layers), SPEC.work) == (5, [0, 1, 2, 3], SPEC.total)


@pytest.mark.parametrize("shared", [True, False])
def test_many_runs_are_each_their_module(shared):
    weights = [random_weights(SPEC, seed) for seed in range(3)]
    stacked = unflatten(SPEC, torch.stack([flatten(SPEC, one) for one in weights]))
    inputs = torch.randn(7, 3) if shared else torch.randn(3, 7, 3)
    state = torch.random.get_rng_state()
    outputs = SPEC.forward_runs(stacked, inputs)
    assert torch.equal(torch.random.get_rng_state(), state)
    for run, one in enumerate(weights):
        seen = inputs if shared else inputs[run]
        torch.testing.assert_close(outputs[run], build_module(SPEC, one)(seen).detach())


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_batch_of_runs_trains_like_the_plain_loop(kind):
    task, data = task_of(SPEC, kind), random_samples(SPEC, kind, 20)
    runs = [
        Run(start=random_weights(SPEC, seed), mask=random_mask(SPEC, density, seed), seed=seed)
        for seed, density in enumerate([1.0, 0.5, 0.5, 0.2])
    ]
    trained = train(SPEC, task, data, runs, RECIPE)
    for row, run in zip(trained, runs, strict=True):
        torch.testing.assert_close(row, trained_plainly(task, data, run), rtol=1e-3, atol=1e-5)
        assert not bool(row[~flatten(SPEC, run.mask)].any())


def test_measured_accuracies_are_those_of_trained_runs():
    task, train_data = task_of(SPEC, "classification"), random_samples(SPEC, "classification", 20)
    test_data = random_samples(SPEC, "classification", 30, seed=1)
    masks, weights = [Mask.full(SPEC), random_mask(SPEC, 0.4)], random_weights(SPEC)
    wanted = Measurement(
        spec=SPEC,
        task=task,
        weights=weights,
        masks=masks,
        seeds=[0, 1],
        recipe=RECIPE,
        train_data=train_data,
        test_data=test_data,
    )
    [found] = measure_all([wanted], jobs=2)
    runs = [Run(start=weights, mask=mask, seed=seed) for seed, mask in enumerate(masks)]
    trained = train(SPEC, task, train_data, runs, RECIPE)
    weak = task.accuracy(evaluate(SPEC, trained, test_data.inputs), test_data.targets).tolist()
    assert [accuracies.weak for accuracies in found] == weak


def test_connectivity_by_hand():
    values = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in SPEC.shapes.items()}
    # The input feeds unit 0, block 1 leads from 0 to 2, the output reads 0 and 2: all on paths.
    values["layers.0.weight"][0, 1] = True
    values["layers.1.weight"][2, 0] = True
    values["layers.3.weight"][0, 0] = values["layers.3.weight"][1, 2] = True
    values["layers.2.weight"][4, 0] = True  # leads nowhere
    values["layers.2.weight"][2, 5] = True  # unit 5 is fed by nothing
    values["layers.3.bias"][0] = values["layers.3.bias"][2] = True  # only 0 is on a path
    found = connectivity(SPEC, Mask(values))
    assert found.effective_density == 5 / SPEC.total
    assert found.collapsed_layers == 0
    values["layers.2.weight"].zero_()
    assert connectivity(SPEC, Mask(values)).collapsed_layers == 1  # which a residual survives
    assert connectivity(SPEC, Mask.full(SPEC)).effective_density == 1.0


@dataclass(frozen=True, kw_only=True)
class Magnitude(SaliencyPruner):
    name = "magnitude"

    def saliency(self, problem, *, seed):
        return {name: value.abs() for name, value in problem.weights.items()}


@pytest.mark.parametrize("scope", ["global", "layerwise", "erk", "balanced", "lth"])
@pytest.mark.parametrize("schedule", ["single", "multishot"])
def test_a_saliency_pruner_keeps_the_exact_count(scope, schedule):
    problem = Problem(
        name="residual",
        network=SPEC,
        task=task_of(SPEC, "classification"),
        weights=random_weights(SPEC),
        train=random_samples(SPEC, "classification", 20),
        density=0.3,
        recipe=RECIPE,
    )
    pruner = Magnitude(scope=scope, schedule=schedule, rounds=2, epochs=1)
    mask = pruner.prune(problem, 0.3, seed=0)
    assert mask.kept == problem.budget
    assert {name: tuple(mask[name].shape) for name in mask} == SPEC.shapes
    if (scope, schedule) == ("global", "single"):
        magnitudes = flatten(SPEC, problem.weights).abs()
        assert magnitudes[mask.vector(SPEC)].min() > magnitudes[~mask.vector(SPEC)].max()

"""The masks of the published Synaptic-Flow code (arXiv 2006.05467) on networks on images.

The rules are written out here in plain torch, after the code: scores of magnitude, SNIP, GraSP
and SynFlow of a network in evaluation mode, whose batch normalisation has fresh statistics; every
round drops all scores up to the k-th smallest, k = int((1 - share) n), and share density^(r/n).

The code leaves biases out unless it is told otherwise (`--prune-bias`, `--prune-batchnorm`), and
normalised convolutions have none. Here every layer has one, the shift of the normalisation where
there is one, and all of them are scored.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from builders import random_samples, random_weights, task_of
from plain_images import NETWORKS, Forward
from plantkit_baselines import grasp, magnitude, snip, synflow
from torch import Tensor

from plantkit import Mask, Problem
from plantkit.networks import Network, ResidualSpec, bias_name, build_module
from plantkit.networks.connectivity import connectivity
from plantkit.planting.initialization import draw_parameters

pytestmark = pytest.mark.no_cover

each_network = pytest.mark.parametrize(("spec", "forward"), NETWORKS.values(), ids=NETWORKS)


def problem_of(spec: Network, *, seed: int = 0, has_biases: bool = True) -> Problem:
    weights = random_weights(spec, seed)
    if not has_biases:
        for layer in spec.layers:
            weights[bias_name(layer)].zero_()
    return Problem(
        name="published",
        network=spec,
        task=task_of(spec, "classification"),
        weights=weights,
        train=random_samples(spec, "classification", 40),
        density=0.3,
    )


class Published:
    """Scores and masks by the published rules."""

    def __init__(self, problem: Problem, forward: Forward) -> None:
        self.problem = problem
        self.forward = forward
        self.weights = {name: value.double() for name, value in problem.weights.items()}
        self.mask = {name: torch.ones_like(value) for name, value in self.weights.items()}

    def outputs(self, parameters: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return self.forward(parameters, inputs, False)

    def loss(self, parameters: dict[str, Tensor], temperature: float = 1.0) -> Tensor:
        data = self.problem.train
        outputs = self.outputs(parameters, data.inputs.double())
        return torch.nn.functional.cross_entropy(outputs / temperature, data.targets)

    def masked(self, signs: bool = True) -> dict[str, Tensor]:
        """Returns the masked parameters, or their magnitudes, as leaves."""
        values = {name: value * self.mask[name] for name, value in self.weights.items()}
        return {
            name: (value if signs else value.abs()).requires_grad_()
            for name, value in values.items()
        }

    def magnitude(self) -> list[Tensor]:
        return [value.abs().detach() for value in self.masked().values()]

    def snip(self) -> list[Tensor]:
        leaves = self.masked()
        gradients = torch.autograd.grad(self.loss(leaves), list(leaves.values()))
        scores = [(g * value).abs() for g, value in zip(gradients, leaves.values(), strict=True)]
        total = torch.cat([score.flatten() for score in scores]).sum()
        return [(score / total).detach() for score in scores]

    def grasp(self) -> list[Tensor]:
        leaves = self.masked()
        values = list(leaves.values())
        first = torch.autograd.grad(self.loss(leaves, 200.0), values)
        stopped = torch.cat([g.flatten() for g in first]).detach()
        again = torch.autograd.grad(self.loss(leaves, 200.0), values, create_graph=True)
        product = (stopped * torch.cat([g.flatten() for g in again])).sum()
        gradients = torch.autograd.grad(product, values)
        scores = [g * value for g, value in zip(gradients, values, strict=True)]
        norm = torch.cat([score.flatten() for score in scores]).sum().abs() + 1e-10
        return [(score / norm).detach() for score in scores]

    def synflow(self) -> list[Tensor]:
        leaves = self.masked(signs=False)
        ones = torch.ones(1, self.problem.network.inputs, dtype=torch.float64)
        flow = self.outputs(leaves, ones).sum()
        gradients = torch.autograd.grad(flow, list(leaves.values()))
        return [(g * v).abs().detach() for g, v in zip(gradients, leaves.values(), strict=True)]

    def prune(self, scores: str, density: float, *, rounds: int = 1, exact: bool = False) -> Mask:
        """Returns the mask; `exact` keeps int(share n) instead of n - int((1 - share) n)."""
        for finished in range(1, rounds + 1):
            share = density ** (finished / rounds)
            found = torch.cat([score.flatten() for score in getattr(self, scores)()])
            dropped = int((1.0 - share) * len(found))
            if exact:
                dropped = len(found) - math.floor(share * len(found))
            if dropped < 1:
                continue
            threshold = torch.kthvalue(found, dropped).values
            kept = found > threshold
            pieces = torch.split(kept, [value.numel() for value in self.weights.values()])
            self.mask = {
                name: piece.reshape(value.shape).double()
                for (name, value), piece in zip(self.weights.items(), pieces, strict=True)
            }
        return Mask(self.mask)


PRUNERS = {
    "magnitude": magnitude.MagnitudePruner(),
    "snip": snip.SnipPruner(),
    "grasp": grasp.GraspPruner(),
    "synflow": synflow.SynflowPruner(),
}


@each_network
@pytest.mark.parametrize("method", ["magnitude", "snip", "grasp"])
@pytest.mark.parametrize("density", [0.3, 0.1, 0.03])
def test_single_shot_masks_are_the_published_ones_up_to_one(spec, forward, method, density):
    problem = problem_of(spec)
    found = PRUNERS[method].prune(problem, density, seed=0).vector(spec)
    expected = Published(problem, forward).prune(method, density).vector(spec)
    assert not (found & ~expected).any()
    assert int((expected & ~found).sum()) <= 1


@each_network
@pytest.mark.parametrize("density", [0.3, 0.1, 0.03])
@pytest.mark.parametrize("has_biases", [True, False])
def test_synflow_masks_are_the_published_ones(spec, forward, density, has_biases):
    problem = problem_of(spec, has_biases=has_biases)
    found = PRUNERS["synflow"].prune(problem, density, seed=0).vector(spec)
    published = Published(problem, forward)
    expected = published.prune("synflow", density, rounds=100, exact=True).vector(spec)
    assert torch.equal(found, expected)
    # With its own rounding every round keeps one more, so that a few may differ at the end.
    rounded = Published(problem, forward).prune("synflow", density, rounds=100).vector(spec)
    assert int(rounded.sum()) - int(found.sum()) in (0, 1)
    assert int((rounded & ~found).sum()) <= 3


# --- what is known to go wrong


def residual_problem(seed: int, shortcut: float = 1.0) -> Problem:
    spec = ResidualSpec(image=(1, 4, 4), stages=((6, 1, 1), (8, 1, 2)), outputs=3)
    drawn = draw_parameters(spec, np.random.default_rng(seed))
    weights = {name: torch.from_numpy(value).float() for name, value in drawn.items()}
    weights["layers.5.weight"] *= shortcut
    return Problem(
        name="residual",
        network=spec,
        task=task_of(spec, "classification"),
        weights=weights,
        train=random_samples(spec, "classification", 9),
        density=0.05,
    )


def test_synflow_may_drop_a_shortcut_or_a_block_and_the_kit_says_so():
    """What is left leads on all the same: SynFlow keeps paths, not layers."""
    pruner = synflow.SynflowPruner(iterations=30)
    small = residual_problem(0, shortcut=0.01)
    mask = pruner.prune(small, 0.05, seed=0)
    assert not mask["layers.5.weight"].any()
    assert not mask["layers.5.bias"].any()
    found = connectivity(small.network, mask)
    assert found.collapsed_layers == 1
    assert found.effective_density > 0.95 * mask.density
    large = residual_problem(0, shortcut=30.0)
    mask = pruner.prune(large, 0.02, seed=0)
    assert not mask["layers.3.weight"].any()
    assert not mask["layers.4.weight"].any()
    found = connectivity(large.network, mask)
    assert found.collapsed_layers == 2
    assert found.effective_density > 0.95 * mask.density


def test_flow_is_finite_and_positive_in_deep_networks():
    """80 blocks: beyond single precision, within double precision."""
    spec = ResidualSpec(image=(1, 4, 4), stages=((8, 80, 1),), outputs=2)
    drawn = draw_parameters(spec, np.random.default_rng(0))
    weights = {name: torch.from_numpy(value).float() for name, value in drawn.items()}
    flow = synflow.synaptic_flow(build_module(spec, weights).double(), Mask.full(spec), spec.inputs)
    kernels = torch.cat([value.flatten() for value in flow.values() if value.dim() > 1])
    assert bool(torch.isfinite(kernels).all())
    assert bool((kernels > 0).all())
    assert float(kernels.max()) > torch.finfo(torch.float32).max


def test_a_shift_does_not_hide_a_channel_without_weights():
    """Its saliency is that of its bias alone, and it lies on no path."""
    problem = problem_of(NETWORKS["normalised"][0])
    weights = problem.weights
    weights["layers.1.weight"][0] = 0
    flow = synflow.synaptic_flow(
        problem.with_weights(weights).module().double(),
        Mask.full(problem.network),
        problem.network.inputs,
    )
    assert not flow["layers.1.weight"][0].any()
    assert flow["layers.1.bias"][0] > 0
    mask = {name: value != 0 for name, value in weights.items()}
    on_paths = problem.network.connected(mask)
    assert not on_paths["layers.1.bias"][0]
    assert not on_paths["layers.2.weight"][:, 0].any()

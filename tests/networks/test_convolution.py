"""Convolutional networks: by hand, against plain torch, and in everything that takes a network."""

from __future__ import annotations

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of
from hypothesis import given, settings
from hypothesis import strategies as st
from plantkit_baselines import grasp, magnitude, random, snip, synflow
from torch.nn import functional

from plantkit.isolation.problems import load_problem, write_problem
from plantkit.networks import (
    KINDS,
    ConvolutionSpec,
    PerceptronSpec,
    build_module,
    flatten,
    network_from_json,
    unflatten,
)
from plantkit.networks.connectivity import Connectivity, connectivity
from plantkit.networks.masks import Mask
from plantkit.networks.training import Recipe, Run, data_order, trace, train
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.pruners.problem import Problem

SPEC = ConvolutionSpec(image=(2, 5, 4), blocks=((3, 2), (4,)), hidden=(6,), outputs=3)
#: Its layers with kernels, and those of them that a pooling follows.
CONVOLUTIONS, POOLED = 3, (1, 2)
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)
KINDS_OF_TASK = ("classification", "regression")


def problem_of(kind: str = "classification", density: float = 0.4) -> Problem:
    return Problem(
        name="images",
        network=SPEC,
        task=task_of(SPEC, kind),
        weights=random_weights(SPEC),
        train=random_samples(SPEC, kind, 20),
        density=density,
        recipe=RECIPE,
    )


# --- the specification


def test_shapes_and_total():
    # 5x4 pixels are pooled to 2x2, then to 1x1: four channels go into the linear layers.
    assert [shape for name, shape in SPEC.shapes.items() if name.endswith("weight")] == [
        (3, 2, 3, 3),
        (2, 3, 3, 3),
        (4, 2, 3, 3),
        (6, 4),
        (3, 6),
    ]
    assert [shape for name, shape in SPEC.shapes.items() if name.endswith("bias")] == [
        (3,),
        (2,),
        (4,),
        (6,),
        (3,),
    ]
    assert SPEC.total == (54 + 3) + (54 + 2) + (72 + 4) + (24 + 6) + (18 + 3)
    assert (SPEC.inputs, SPEC.outputs, SPEC.depth, list(SPEC.layers)) == (40, 3, 6, [0, 1, 2, 3, 4])
    assert SPEC.label == "3-2-p-4-p-6-3"
    # Five times the multiplications of the convolutions, of 20 pixels and then of 2x2, and those
    # of the linear layers.
    assert SPEC.work == 5 * (20 * (54 + 54) + 4 * 72) + 24 + 18


@pytest.mark.parametrize("network", [SPEC, PerceptronSpec(widths=(2, 3, 1))])
def test_every_kind_is_read_back(network):
    assert network_from_json(network.to_json()) == network
    assert KINDS[network.kind] is type(network)


def test_unknown_and_other_kinds_are_refused():
    with pytest.raises(ValueError, match="kind is 'rnn'; expected 'mlp' or 'convolution'"):
        network_from_json({"kind": "rnn"})
    with pytest.raises(ValueError, match="kind is 'convolution'; expected 'mlp'"):
        PerceptronSpec.from_json(SPEC.to_json())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"blocks": ((2,), (2,), (2,))},
            "images of 2 x 5 x 4 .* 2x2 .* does not fit into 1x1",
        ),
        ({"blocks": ()}, "each of at least one convolution"),
        ({"blocks": ((),)}, "each of at least one convolution"),
        ({"image": (5, 4)}, r"\(channels, height, width\)"),
        ({"hidden": (0,)}, "sizes must be positive"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    given_ = {"image": (2, 5, 4), "blocks": ((3,),), "outputs": 3}
    with pytest.raises(ValueError, match=message):
        ConvolutionSpec(**(given_ | change))


# --- the forward pass


def test_forward_by_hand():
    spec = ConvolutionSpec(image=(1, 2, 2), blocks=((1,),), outputs=1)
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[0, 0, 1, 1], kernel[0, 0, 1, 2] = 1.0, 10.0  # the pixel, and ten times its right
    weights = {
        "layers.0.weight": kernel,
        "layers.0.bias": torch.tensor([-5.0]),
        "layers.1.weight": torch.tensor([[2.0]]),
        "layers.1.bias": torch.tensor([0.5]),
    }
    # [[1, 2], [3, 4]] becomes [[21, 2], [43, 4]], less 5, the largest is 38.
    image = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert build_module(spec, weights)(image).tolist() == [[76.5]]
    assert build_module(spec, weights)(image.reshape(1, 1, 2, 2)).tolist() == [[76.5]]
    # The ReLU stops negative sums: [[-1, -1], [-1, -1]] gives zero, and the bias is left.
    assert build_module(spec, weights)(-torch.ones(1, 4)).tolist() == [[0.5]]


def test_many_runs_are_each_their_module():
    weights = [random_weights(SPEC, seed) for seed in range(3)]
    stacked = unflatten(SPEC, torch.stack([flatten(SPEC, one) for one in weights]))
    shared = torch.randn(7, SPEC.inputs)
    own = torch.randn(3, 7, SPEC.inputs)
    for inputs in (shared, own):
        outputs = SPEC.forward_runs(stacked, inputs)
        for run, one in enumerate(weights):
            seen = inputs if inputs.dim() == 2 else inputs[run]
            torch.testing.assert_close(outputs[run], build_module(SPEC, one)(seen))


# --- connectivity


def mean_pooled_flow(mask: Mask) -> float:
    """The share of parameters with a derivative, where pooling takes the mean of its window.

    Inputs, weights and their sums are positive, so a derivative is zero only where no path is.
    """
    leaves = {name: value.double().requires_grad_() for name, value in mask.items()}
    hidden = torch.ones(1, *SPEC.image, dtype=torch.float64)
    for layer in SPEC.layers:
        if layer == CONVOLUTIONS:
            hidden = hidden.flatten(1)
        operation = functional.conv2d if layer < CONVOLUTIONS else functional.linear
        options = {"padding": 1} if layer < CONVOLUTIONS else {}
        hidden = operation(hidden, leaves[f"layers.{layer}.weight"], **options)
        # A bias counts on the paths of inputs through its unit: it scales them here.
        bias = leaves[f"layers.{layer}.bias"]
        factor = 1 + bias
        hidden = hidden * (factor.view(-1, 1, 1) if hidden.dim() == 4 else factor)
        if layer in POOLED:
            hidden = functional.avg_pool2d(hidden, 2)
    gradients = torch.autograd.grad(hidden.sum(), list(leaves.values()))
    used = [
        ((gradient > 0) & mask[name]).sum()
        for name, gradient in zip(leaves, gradients, strict=True)
    ]
    return int(sum(used)) / SPEC.total


@settings(deadline=None, max_examples=40)
@given(density=st.floats(0.02, 1.0), seed=st.integers(0, 1000))
def test_effective_density_is_the_share_of_parameters_with_a_derivative(density, seed):
    mask = random_mask(SPEC, density, seed)
    assert connectivity(SPEC, mask).effective_density == mean_pooled_flow(mask)


def kept_taps(*taps: tuple[int, int]) -> Mask:
    """Two convolutions of a 2x2 image with one kernel entry each, then one weight."""
    values = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in TAPS.shapes.items()}
    for layer, (row, column) in enumerate(taps):
        values[f"layers.{layer}.weight"][0, 0, row, column] = True
    values["layers.2.weight"][0, 0] = True
    return Mask(values)


TAPS = ConvolutionSpec(image=(1, 2, 2), blocks=((1, 1),), outputs=1)


def test_paths_are_followed_pixel_by_pixel():
    # One step right and one step left again: a path. Two steps right: out of the image.
    assert connectivity(TAPS, kept_taps((1, 0), (1, 2))).effective_density == 3 / TAPS.total
    assert connectivity(TAPS, kept_taps((1, 0), (1, 0))) == Connectivity(
        effective_density=0.0, collapsed_layers=0
    )


def test_an_empty_kernel_is_a_collapsed_layer():
    mask = {name: torch.ones(shape) for name, shape in SPEC.shapes.items()}
    mask["layers.1.weight"].zero_()
    mask["layers.1.bias"].zero_()
    assert connectivity(SPEC, Mask(mask)) == Connectivity(effective_density=0.0, collapsed_layers=1)
    assert connectivity(SPEC, Mask.full(SPEC)).effective_density == 1.0


# --- training


def trained_plainly(problem: Problem, mask: Mask, seed: int) -> dict[str, torch.Tensor]:
    """One run by torch's own module, autograd and Adam."""
    module = build_module(
        SPEC, {name: value * mask[name] for name, value in problem.weights.items()}
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=RECIPE.learning_rate)
    data = problem.train
    for epoch in range(RECIPE.epochs):
        for batch in torch.split(data_order(seed, epoch, len(data)), RECIPE.batch_size):
            optimizer.zero_grad()
            problem.loss(module(data.inputs[batch]), data.targets[batch]).backward()
            for name, value in module.named_parameters():
                value.grad *= mask[name]
            optimizer.step()
    return {name: value.detach() for name, value in module.named_parameters()}


@pytest.mark.parametrize("kind", KINDS_OF_TASK)
def test_training_is_that_of_plain_torch(kind):
    problem = problem_of(kind)
    masks = [Mask.full(SPEC), random_mask(SPEC, 0.5), random_mask(SPEC, 0.5, 1)]
    runs = [Run(start=problem.weights, mask=mask, seed=seed) for seed, mask in enumerate(masks)]
    trained = train(SPEC, problem.task, problem.train, runs, RECIPE)
    for seed, mask in enumerate(masks):
        expected = flatten(SPEC, trained_plainly(problem, mask, seed))
        torch.testing.assert_close(trained[seed], expected, rtol=1e-3, atol=1e-5)


def test_the_mask_holds_in_every_step():
    problem = problem_of()
    mask = random_mask(SPEC, 0.3)
    run = Run(start=problem.weights, mask=mask, seed=0)
    steps = range(1, RECIPE.steps(20) + 1)
    traced = trace(SPEC, problem.task, problem.train, [run], RECIPE, steps=steps)[:, 0]
    assert not traced[:, ~mask.vector(SPEC)].any()
    assert (traced[0] != traced[-1]).any()


def test_a_run_does_not_depend_on_those_beside_it():
    problem = problem_of()
    runs = [
        Run(start=problem.weights, mask=random_mask(SPEC, 0.6, seed), seed=seed)
        for seed in range(5)
    ]
    together = train(SPEC, problem.task, problem.train, runs, RECIPE)
    assert torch.equal(together, train(SPEC, problem.task, problem.train, runs, RECIPE))
    for position, run in enumerate(runs):
        alone = train(SPEC, problem.task, problem.train, [run], RECIPE)[0]
        torch.testing.assert_close(together[position], alone, rtol=1e-3, atol=1e-5)


def test_a_training_can_be_looked_at_on_its_way():
    problem = problem_of()
    run = [Run(start=problem.weights, mask=Mask.full(SPEC), seed=3)]
    seen = trace(SPEC, problem.task, problem.train, run, RECIPE, steps=[0, 2, 6])
    assert torch.equal(seen[0, 0], flatten(SPEC, problem.weights))
    assert torch.equal(seen[2], train(SPEC, problem.task, problem.train, run, RECIPE))
    early = problem.fit(Mask.full(SPEC), seed=3, last_step=2)
    assert torch.equal(flatten(SPEC, early), seen[1, 0])
    late = problem.fit(Mask.full(SPEC), seed=3, start=early, first_step=2)
    assert not torch.equal(flatten(SPEC, late), flatten(SPEC, early))


def test_measured_performance_is_that_of_the_module():
    problem = problem_of()
    test = random_samples(SPEC, "classification", 30, seed=1)
    masks = [Mask.full(SPEC), random_mask(SPEC, 0.4)]
    wanted = Measurement(
        spec=SPEC,
        task=problem.task,
        weights=problem.weights,
        masks=masks,
        seeds=[0, 1],
        recipe=RECIPE,
        train_data=problem.train,
        test_data=test,
    )
    [found] = measure_all([wanted])
    for seed, mask in enumerate(masks):
        start = {name: value * mask[name] for name, value in problem.weights.items()}
        hits = build_module(SPEC, start)(test.inputs).argmax(dim=1) == test.targets
        assert found[seed].strong == float(hits.double().mean())
        fitted = problem.fit(mask, seed=seed)
        hits = build_module(SPEC, fitted)(test.inputs).argmax(dim=1) == test.targets
        assert found[seed].weak == pytest.approx(float(hits.double().mean()), abs=1 / 30)


# --- problems and pruners


def test_a_problem_is_written_and_read(tmp_path):
    problem = problem_of()
    write_problem(tmp_path / "problem", problem)
    read = load_problem(tmp_path / "problem", problem.density, problem.seed)
    assert read.network == SPEC
    assert torch.equal(flatten(SPEC, read.weights), flatten(SPEC, problem.weights))
    assert torch.equal(read.train.inputs, problem.train.inputs)
    assert read.module()(read.train.inputs).shape == (20, 3)


@pytest.mark.parametrize("plugin", [random, magnitude, snip, grasp, synflow])
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_reference_pruners_keep_the_exact_count(plugin, scope):
    (pruner, *_) = plugin.plantkit_pruners()
    pruner = type(pruner)(scope=scope)
    for kind in KINDS_OF_TASK:
        problem = problem_of(kind)
        mask = pruner.prune(problem, problem.density, seed=0)
        assert mask.kept == problem.budget
        assert {name: tuple(mask[name].shape) for name in mask} == SPEC.shapes


def test_synaptic_flow_is_conserved_through_convolutions():
    flow = synflow.synaptic_flow(
        build_module(SPEC, random_weights(SPEC)).double(), Mask.full(SPEC), SPEC.inputs
    )
    # What flows into a layer through its weights comes from below or from a bias below.
    sums = [
        flow[f"layers.{layer}.weight"].sum()
        + sum(flow[f"layers.{above}.bias"].sum() for above in SPEC.layers[layer:])
        for layer in SPEC.layers
    ]
    torch.testing.assert_close(torch.stack(sums), sums[0].expand(len(sums)))


def test_synflow_leaves_no_layer_of_convolutions_empty():
    problem = problem_of(density=0.1)
    mask = synflow.SynflowPruner().prune(problem, 0.1, seed=0)
    found = connectivity(SPEC, mask)
    assert found.collapsed_layers == 0
    assert found.effective_density > 0

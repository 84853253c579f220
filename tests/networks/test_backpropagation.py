"""The written-out gradients of networks on images: by hand, and against autograd in float64."""

from __future__ import annotations

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from plantkit.networks import Network, flatten, graph, training, unflatten
from plantkit.networks.backpropagation import written_out
from plantkit.networks.convolution import ConvolutionSpec
from plantkit.networks.graph import CutNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.residual import ResidualSpec
from plantkit.networks.steps import (
    Convolution,
    Flatten,
    GlobalMean,
    Linear,
    Pooling,
    Rectifier,
    Shortcut,
    Step,
)
from plantkit.networks.tasks import Classification, Regression
from plantkit.networks.training import Recipe, Run, Workload, evaluate, plan, trace, train
from plantkit.networks.training.groups import most_runs

KINDS = ("classification", "regression")
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)

PLAIN = ConvolutionSpec(image=(2, 8, 8), blocks=((8, 12), (16,)), hidden=(20,), outputs=3)
NORMALISED = ConvolutionSpec(
    image=(1, 8, 8), blocks=((8,), (16, 24), (16,)), normalised=True, outputs=10
)
LENET = ConvolutionSpec(
    image=(1, 8, 7), blocks=((6,), (16,)), kernel=5, padding=2, hidden=(12,), outputs=10
)
MEANS = ConvolutionSpec(
    image=(3, 9, 9),
    blocks=((5,), (7,)),
    kernel=3,
    padding=0,
    stride=2,
    pooling="none",
    global_pooling=True,
    outputs=2,
)
AVERAGES = ConvolutionSpec(image=(1, 6, 6), blocks=((4,), (4,)), pooling="average", outputs=1)
RESIDUAL = ResidualSpec(image=(1, 8, 8), stages=((8, 2, 1), (16, 1, 2), (24, 1, 2)), outputs=10)
BARE = ResidualSpec(
    image=(2, 9, 9),
    stages=((6, 1, 2), (8, 1, 1)),
    stem=4,
    stem_kernel=5,
    stem_stride=2,
    stem_pooling=True,
    normalised=False,
    outputs=3,
)
NETWORKS = {
    "plain": PLAIN,
    "normalised": NORMALISED,
    "lenet": LENET,
    "means": MEANS,
    "averages": AVERAGES,
    "residual": RESIDUAL,
    "bare": BARE,
}


def gradients(
    network: Network, task, parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor
) -> dict[str, Tensor]:
    """The written-out gradients; what stood in their place before must not matter."""
    found = {name: torch.full_like(value, 7.0) for name, value in parameters.items()}
    backpropagate = network.backpropagation(task, parameters, found)
    backpropagate(inputs.flip(1)[:, 1:], targets.flip(1)[:, 1:])  # nor what was made before
    backpropagate(inputs, targets)
    return found


def by_autograd(
    network: Network, task, parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor
) -> dict[str, Tensor]:
    """The gradients of the sum of the runs' losses, by torch."""
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    outputs = network.training_forward(leaves, inputs)
    loss = sum(task.loss(*each) for each in zip(outputs, targets, strict=True))
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def assert_gradients_are_those_of_autograd(network: Network, task, *, runs: int, count: int):
    generator = torch.Generator().manual_seed(3)
    parameters = {
        name: torch.randn(runs, *shape, generator=generator, dtype=torch.float64) / 3
        for name, shape in network.shapes.items()
    }
    inputs = torch.randn(runs, count, network.inputs, generator=generator, dtype=torch.float64)
    if task.kind == "classification":
        targets = torch.randint(network.outputs, (runs, count), generator=generator)
    else:
        targets = torch.randn(runs, count, network.outputs, generator=generator).double()
    given_inputs = inputs.clone()
    found = gradients(network, task, parameters, inputs, targets)
    expected = by_autograd(network, task, parameters, inputs, targets)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)
    assert torch.equal(inputs, given_inputs)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("kind", [Classification, Regression])
def test_gradients_are_those_of_autograd(name, runs, kind):
    network = NETWORKS[name]
    task = kind(outputs=network.outputs)
    assert_gradients_are_those_of_autograd(network, task, runs=runs, count=5)


def convolutions() -> st.SearchStrategy[Convolution]:
    return st.builds(
        Convolution,
        channels=st.integers(1, 4),
        kernel=st.sampled_from([1, 2, 3, 5]),
        stride=st.integers(1, 3),
        padding=st.integers(0, 3),
        normalised=st.booleans(),
    )


def poolings() -> st.SearchStrategy[Pooling]:
    return st.builds(
        Pooling,
        kernel=st.just(2),
        stride=st.integers(1, 2),
        padding=st.integers(0, 1),
        takes_mean=st.booleans(),
    )


@settings(deadline=None, max_examples=60)
@given(
    image=st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6)),
    middle=st.lists(st.one_of(convolutions(), poolings(), st.just(Rectifier())), max_size=4),
    end=st.sampled_from([Flatten(), GlobalMean()]),
)
def test_gradients_through_any_steps_are_those_of_autograd(image, middle, end):
    network = CutNetwork(image=image, outputs=2, steps=(*middle, end, Linear(units=2)))
    try:
        _ = network.plan
    except ValueError:
        return  # a window that does not fit
    assert_gradients_are_those_of_autograd(network, Regression(outputs=2), runs=2, count=3)


@pytest.mark.parametrize(
    "steps",
    [
        # What is added comes from a ReLU that others read, too.
        (Rectifier(), Rectifier(source=0), Shortcut(added=1)),
        # The image is read twice, and added to.
        (Convolution(channels=2, kernel=1), Rectifier(), Shortcut(added=0)),
        # A value is read before its ReLU and after it.
        (Convolution(channels=2, kernel=3, padding=1), Rectifier(), Shortcut(added=1)),
        # A projection of the image, which a convolution reads, too.
        (
            Convolution(channels=3, kernel=3, padding=1, stride=2),
            Convolution(channels=3, kernel=1, stride=2, source=0),
            Shortcut(added=1),
        ),
    ],
)
def test_gradients_of_values_that_several_steps_read(steps: tuple[Step, ...]):
    network = CutNetwork(image=(2, 4, 4), outputs=2, steps=(*steps, Flatten(), Linear(units=2)))
    assert_gradients_are_those_of_autograd(network, Regression(outputs=2), runs=2, count=3)


# --- by hand


def one_run(network: Network, values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: values[name].reshape(1, *shape).clone() for name, shape in network.shapes.items()}


@pytest.mark.parametrize(
    ("pixels", "row", "column"),
    [([3.0, 1.0, 2.0, 3.0], 0, 0), ([1.0, 1.0, 4.0, 4.0], 1, 0)],
)
def test_a_max_pooling_passes_its_gradient_to_the_first_of_the_largest(pixels, row, column):
    # outputs = 5 · max(2 · pixel), target 0: the loss is their square.
    network = CutNetwork(
        image=(1, 2, 2),
        outputs=1,
        steps=(
            Convolution(channels=1, kernel=3, padding=1),
            Pooling(kernel=2, stride=2),
            Flatten(),
            Linear(units=1),
        ),
    )
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 2.0
    parameters = one_run(
        network,
        {
            "layers.0.weight": kernel,
            "layers.0.bias": torch.zeros(1),
            "layers.1.weight": torch.tensor([5.0]),
            "layers.1.bias": torch.zeros(1),
        },
    )
    found = gradients(
        network,
        Regression(outputs=1),
        parameters,
        torch.tensor([[pixels, pixels]]),
        torch.zeros(1, 2, 1),
    )
    largest = max(pixels)
    delta = 2 * 10 * largest  # by the output
    assert found["layers.1.weight"].item() == delta * 2 * largest
    assert found["layers.0.bias"].item() == delta * 5
    # The entry in row r and column c met the pixel that is r - 1 and c - 1 away.
    image = torch.nn.functional.pad(torch.tensor(pixels).view(2, 2), (1, 1, 1, 1))
    met = image[row : row + 3, column : column + 3]
    assert torch.equal(found["layers.0.weight"][0, 0, 0], delta * 5 * met)


def test_a_skipping_kernel_reads_every_second_pixel():
    # outputs = mean of pixels 0 and 2 of the top row and of the bottom row, times 3.
    network = CutNetwork(
        image=(1, 3, 3),
        outputs=1,
        steps=(Convolution(channels=1, kernel=1, stride=2), GlobalMean(), Linear(units=1)),
    )
    ones = {name: torch.ones(shape) for name, shape in network.shapes.items()}
    ones |= {"layers.0.weight": torch.tensor([3.0]), "layers.0.bias": torch.zeros(1)}
    image = torch.tensor([1.0, 50.0, 2.0, 50.0, 50.0, 50.0, 3.0, 50.0, 6.0])
    found = gradients(
        network,
        Regression(outputs=1),
        one_run(network, ones),
        image.expand(1, 2, 9),
        torch.ones(1, 2, 1),
    )
    mean = (1 + 2 + 3 + 6) / 4
    delta = 2 * 3 * mean  # the output is 9 + 1, the target 1
    assert found["layers.0.weight"].item() == delta * mean
    assert found["layers.0.bias"].item() == delta
    assert found["layers.1.weight"].item() == delta * 3 * mean


def test_normalisation_passes_nothing_to_a_channel_that_only_changes_scale():
    # One channel of numbers -1 and 1 in equal parts has mean 0 and variance 1. Its scale and its
    # mean are taken out again, so that only the bias has a gradient.
    network = CutNetwork(
        image=(1, 1, 2),
        outputs=1,
        steps=(
            Convolution(channels=1, kernel=1, normalised=True),
            Flatten(),
            Linear(units=1),
        ),
    )
    ones = {name: torch.ones(shape).double() for name, shape in network.shapes.items()}
    found = gradients(
        network,
        Regression(outputs=1),
        one_run(network, ones | {"layers.0.weight": torch.tensor([4.0]).double()}),
        torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]]).double(),
        torch.zeros(1, 2, 1).double(),
    )
    # The outputs are (1 + b) + (-1 + b) + 1 = 3 with b = 1.
    assert found["layers.1.bias"].item() == pytest.approx(6)
    assert found["layers.0.bias"].item() == pytest.approx(12)
    assert found["layers.0.weight"].item() == pytest.approx(0, abs=1e-6)


# --- training


def runs_of(network: Network, count: int, densities=(1.0, 0.7, 0.3)) -> list[Run]:
    return [
        Run(
            start=random_weights(network, seed),
            mask=random_mask(network, densities[seed % len(densities)], seed),
            seed=seed,
        )
        for seed in range(count)
    ]


@pytest.mark.no_cover
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("samples", [24, 29])  # whole batches, and a last one of five
def test_neither_number_nor_place_of_the_runs_changes_a_bit(name, samples):
    network = NETWORKS[name]
    kind = "classification" if network.outputs > 1 else "regression"
    data, task = random_samples(network, kind, samples), task_of(network, kind)
    runs = runs_of(network, 9)
    together = train(network, task, data, runs, RECIPE)
    assert torch.isfinite(together).all()
    for chosen in ([0], [4], [8, 0], [1, 2, 3], [7, 5, 3, 1, 0], list(range(8, -1, -1))):
        some = train(network, task, data, [runs[run] for run in chosen], RECIPE)
        assert torch.equal(some, together[chosen]), chosen
    assert torch.equal(train(network, task, data, runs, RECIPE, jobs=2), together)


@pytest.mark.parametrize("name", ["normalised", "residual"])
def test_the_mask_holds_in_every_step(name):
    network = NETWORKS[name]
    data, task = random_samples(network, "classification", 20), task_of(network, "classification")
    runs = runs_of(network, 2, densities=(0.3,))
    steps = range(1, RECIPE.steps(20) + 1)
    traced = trace(network, task, data, runs, RECIPE, steps=steps)
    for number, run in enumerate(runs):
        kept = Mask(run.mask).vector(network)
        assert not traced[:, number, ~kept].any()
        assert (traced[0, number] != traced[-1, number]).any()


@pytest.mark.parametrize("name", ["plain", "normalised", "residual"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_follows_autograd_and_plain_adam(name, kind):
    network = NETWORKS[name]
    data, task = random_samples(network, kind, 20), task_of(network, kind)
    (run,) = runs_of(network, 1, densities=(0.6,))
    recipe = Recipe(epochs=1, batch_size=20, learning_rate=0.01)
    (trained,) = train(network, task, data, [run], recipe)
    start = {name: (run.start[name] * run.mask[name]).unsqueeze(0) for name in network.shapes}
    inputs, targets = data.inputs.unsqueeze(0), data.targets.unsqueeze(0)
    expected = flatten(network, by_autograd(network, task, start, inputs, targets))[0]
    # Adam's first step goes by its rate against each gradient's sign.
    before = flatten(network, start)[0]
    clear = (expected.abs() > 1e-4) & flatten(network, run.mask)
    assert clear.sum() > network.total / 20
    moved = trained - before
    torch.testing.assert_close(moved[clear], -0.01 * expected[clear].sign(), rtol=1e-2, atol=1e-5)
    assert not moved[~flatten(network, run.mask)].any()
    assert unflatten(network, moved).keys() == network.shapes.keys()


# --- batches


def test_a_batch_is_bounded_by_what_the_layers_make():
    digits = ConvolutionSpec(image=(1, 8, 8), blocks=((16,), (32,)), outputs=10)
    assert 8 <= most_runs(digits, 32, "cpu") < most_runs(digits, 32, "cuda")
    # Parameters of 20 runs of this one would fit, what it makes of a batch would not.
    large = ResidualSpec(image=(3, 32, 32), stages=((16, 3, 1), (32, 3, 2)), outputs=10)
    assert training.BATCH_PARAMETERS["cuda"] / large.total > 20 * most_runs(large, 1000, "cuda")
    for device in ("cpu", "cuda"):
        for network, batch in ((digits, 32), (digits, 1000), (large, 32), (large, 1000)):
            runs = most_runs(network, batch, device)
            made = runs * batch * network.activations
            assert runs == 1 or made <= training.BATCH_ACTIVATIONS[device]
            assert runs * network.total <= 1 << 26
    masks = [Mask.full(large)] * 3
    groups = plan([Workload(spec=large, masks=masks, batch_size=32)])
    assert [len(group.runs) for group in groups] == [1, 1, 1]


@pytest.mark.parametrize(("most", "expected"), [(1e9, 2), (1, 1)])
def test_a_run_is_trained_twice_only_where_another_could_train_with_it(most, expected, monkeypatch):
    monkeypatch.setitem(training.BATCH_ACTIVATIONS, "cpu", most)
    trained = []

    def spy(plan, task, parameters, gradients):
        trained.append(len(parameters["layers.0.weight"]))
        return written_out(plan, task, parameters, gradients)

    monkeypatch.setattr(graph, "written_out", spy)
    data, task = random_samples(PLAIN, "regression", 9), task_of(PLAIN, "regression")
    train(PLAIN, task, data, runs_of(PLAIN, 1), RECIPE)
    assert trained == [expected]


def test_evaluation_takes_fewer_samples_of_a_network_that_makes_much(monkeypatch):
    seen = []

    def spy(self, parameters, inputs):
        seen.append(len(inputs))
        return inputs.new_zeros(1, len(inputs), self.outputs)

    monkeypatch.setattr(graph.ImageNetwork, "forward_runs", spy)
    large = ConvolutionSpec(image=(1, 64, 64), blocks=((64, 64),), outputs=2)
    evaluate(large, torch.zeros(1, large.total), torch.zeros(200, large.inputs))
    assert sum(seen) == 200
    assert max(seen) * large.activations <= 1 << 26 < 200 * large.activations

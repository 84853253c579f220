"""Networks on images against plain torch: forward, training, paths, and cutting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_images import NETWORKS, NORMALISED, PLAIN, RESIDUAL
from torch import Tensor, nn
from torch.func import functional_call

from plantkit.networks import (
    ConvolutionSpec,
    Network,
    ResidualSpec,
    bias_name,
    build_module,
    flatten,
    graph,
    network_from_json,
    unflatten,
    weight_name,
)
from plantkit.networks.connectivity import Connectivity, connectivity
from plantkit.networks.graph import SETTLING_SAMPLES, CutNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.steps import Convolution, Flatten, Linear, Rectifier, Shortcut, placed
from plantkit.networks.training import Recipe, Run, data_order, evaluate, train
from plantkit.networks.training.accuracy import Measurement, measure_all
from plantkit.planting.initialization import standard_deviations

#: The networks of the Synaptic-Flow code on CIFAR-10.
VGG16 = ConvolutionSpec(
    image=(3, 32, 32),
    blocks=((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    outputs=10,
    global_pooling=True,
    normalised=True,
)
RESNET18 = ResidualSpec(
    image=(3, 32, 32), stages=((64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2)), outputs=10
)
RESNET20 = ResidualSpec(image=(3, 32, 32), stages=((16, 3, 1), (32, 3, 2), (64, 3, 2)), outputs=10)
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)

each_network = pytest.mark.parametrize(("spec", "forward"), NETWORKS.values(), ids=NETWORKS)


def doubled(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() for name, value in weights.items()}


def one_run(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.unsqueeze(0) for name, value in weights.items()}


# --- the specifications


def test_known_networks_have_their_sizes():
    # Weights of convolutions and of the last layer, and a bias for each output.
    pairs = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
    pairs += [(256, 512), *[(512, 512)] * 5]
    assert VGG16.total == sum(9 * a * b + b for a, b in pairs) + 512 * 10 + 10
    assert len(VGG16.layers) == 14
    # ResNet-20: 0.27 million (arXiv 1512.03385, table 6); three convolutions of a block with a
    # projection, of which there are two.
    assert len(RESNET20.layers) == 20 + 2
    assert round(RESNET20.total / 1e6, 2) == 0.27
    assert len(RESNET18.layers) == 18 + 3
    assert RESNET18.shapes["layers.7.weight"] == (128, 64, 1, 1)
    lenet = ConvolutionSpec(
        image=(1, 32, 32),
        blocks=((6,), (16,)),
        hidden=(120, 84),
        outputs=10,
        kernel=5,
        padding=0,
        pooling="average",
    )
    assert lenet.total == 61_706
    on_large_images = ResidualSpec(
        image=(3, 224, 224),
        stages=RESNET18.stages,
        outputs=1000,
        stem_kernel=7,
        stem_stride=2,
        stem_pooling=True,
    )
    # torchvision's resnet18 has 11,689,512 parameters, scales among them: one for each bias of
    # a convolution.
    scales = sum(shape[0] for shape in on_large_images.shapes.values() if len(shape) == 4)
    assert on_large_images.total == 11_689_512 - scales
    assert [each.size for each in on_large_images.plan][-4] == (512, 7, 7)


@each_network
def test_json_is_read_back(spec, forward):
    assert network_from_json(spec.to_json()) == spec


def test_what_json_lacks_has_its_default():
    written = {
        "kind": "convolution",
        "image": [1, 4, 4],
        "blocks": [[2]],
        "hidden": [],
        "outputs": 3,
    }
    spec = ConvolutionSpec(image=(1, 4, 4), blocks=((2,),), outputs=3)
    assert network_from_json(written) == spec
    assert (spec.kernel, spec.padding, spec.stride, spec.pooling) == (3, 1, 1, "max")
    assert (spec.global_pooling, spec.normalised) == (False, False)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (PLAIN, {"pooling": "sum"}, "pooling is 'sum'; expected one of max, average, none"),
        (PLAIN, {"padding": -1}, "sizes must be positive"),
        (PLAIN, {"outputs": 0}, "sizes must be positive"),
        (PLAIN, {"kernel": 20}, "20x20 kernel does not fit into 7x6 pixels with 1 of padding"),
        (RESIDUAL, {"stages": ()}, "expected one or more of"),
        (RESIDUAL, {"stages": ((3, 1),)}, r"one or more of \(channels, blocks, stride\)"),
        (RESIDUAL, {"stages": ((3, 0, 1),)}, "sizes must be positive"),
        (
            RESIDUAL,
            {"stages": (8,)},
            r"stages are \(8,\); expected .* \(channels, blocks, stride\)",
        ),
        (RESIDUAL, {"stages": ((3, 201, 1),)}, "a stage has 201 blocks; expected at most 200"),
        (PLAIN, {"blocks": (8,)}, r"blocks are \(8,\); expected one or more lists of channels"),
        (PLAIN, {"padding": 2}, "padding is 2; expected less than the kernel's 2"),
        (RESIDUAL, {"stem": -3}, "sizes must be positive"),
        (RESIDUAL, {"image": (3, 8)}, "expected \\(channels, height, width\\)"),
    ],
)
def test_impossible_networks_are_refused(kind, change, message):
    with pytest.raises(ValueError, match=message):
        network_from_json(kind.to_json() | change)


def test_outputs_must_be_given():
    with pytest.raises(TypeError, match="required keyword-only argument: 'outputs'"):
        ConvolutionSpec(image=(1, 4, 4), blocks=((2,),))
    with pytest.raises(KeyError, match="outputs"):
        network_from_json({"kind": "residual", "image": [1, 4, 4], "stages": [[2, 1, 1]]})


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Linear(units=2)], "step 1, a linear layer needs a flat value"),
        ([Flatten(), Convolution(channels=1, kernel=1)], "step 2, a 1x1 kernel needs channels"),
        ([Rectifier(source=1)], r"step 1 reads values \(1,\); expected 0 to 0"),
        (
            [Convolution(channels=3, kernel=1), Shortcut(added=0)],
            "step 2 adds values of sizes .* expected equal ones",
        ),
        ([Flatten(), Rectifier(), Shortcut(added=1)], "step 3, a shortcut needs channels"),
    ],
)
def test_steps_that_do_not_fit_are_refused(steps, message):
    with pytest.raises(ValueError, match=message):
        placed((1, 2, 2), steps)


def test_labels_tell_networks_apart():
    assert PLAIN.label == "3-4-a-3-a-5-3 2x2 stride 2"
    assert NORMALISED.label == "4-3-p-5-a-3 normalised"
    assert RESIDUAL.label == "3-3x1-4x1-3 normalised"
    plain = ResidualSpec(image=(1, 8, 8), stages=((3, 1, 1), (4, 1, 2)), outputs=3)
    changes: list[dict[str, Any]] = [
        {},
        {"stages": ((3, 1, 1), (4, 1, 1))},
        {"stem_kernel": 5},
        {"stem_stride": 2},
        {"stem_pooling": True},
        {"normalised": False},
    ]
    labels = [replace(plain, **change).label for change in changes]
    assert labels == [
        "3-3x1-4x1-3 normalised",
        "3-3x1-4x1-3 strides 1-1 normalised",
        "3-3x1-4x1-3 stem 5x5 normalised",
        "3-3x1-4x1-3 stem stride 2 normalised",
        "3-p-3x1-4x1-3 normalised",
        "3-3x1-4x1-3",
    ]


# --- forward and training


@each_network
@settings(deadline=None, max_examples=10)
@given(density=st.floats(0.05, 1.0), seed=st.integers(0, 1000))
def test_masked_outputs_are_those_of_plain_torch(spec, forward, density, seed):
    mask = random_mask(spec, density, seed)
    weights = doubled(random_weights(spec, seed))
    masked = {name: value * mask[name] for name, value in weights.items()}
    inputs = torch.randn(5, spec.inputs, dtype=torch.float64)
    expected = forward(masked, inputs, False)
    torch.testing.assert_close(spec.forward_runs(one_run(masked), inputs)[0], expected)
    # The statistics of a fresh module are float32: with epsilon, 1 up to that.
    module = build_module(spec, masked).double()
    torch.testing.assert_close(module(inputs), expected, rtol=1e-6, atol=1e-6)
    images = inputs.reshape(-1, *spec.image)
    torch.testing.assert_close(module(images), module(inputs), rtol=0, atol=0)


@each_network
def test_every_run_is_a_network_of_its_own(spec, forward):
    weights = [random_weights(spec, seed) for seed in range(3)]
    stacked = unflatten(spec, torch.stack([flatten(spec, one) for one in weights]))
    for inputs in (torch.randn(4, spec.inputs), torch.randn(3, 4, spec.inputs)):
        for in_training, found in (
            (False, spec.forward_runs(stacked, inputs)),
            (True, spec.training_forward(stacked, inputs)),
        ):
            for run, one in enumerate(weights):
                seen = inputs if inputs.dim() == 2 else inputs[run]
                expected = forward(one, seen, in_training)
                torch.testing.assert_close(found[run], expected, rtol=1e-4, atol=1e-4)


@each_network
def test_a_module_in_training_mode_is_plain_torch_too(spec, forward):
    weights = doubled(random_weights(spec))
    inputs = torch.randn(6, spec.inputs, dtype=torch.float64)
    module = build_module(spec, weights).double().train()
    torch.testing.assert_close(module(inputs), forward(weights, inputs, True))


def test_a_module_has_the_layers_of_torch_and_the_state_of_the_network():
    module = build_module(RESIDUAL, random_weights(RESIDUAL))
    assert list(module.state_dict()) == list(RESIDUAL.shapes)
    assert [name for name, _ in module.named_parameters()] == list(RESIDUAL.shapes)
    assert not module.training
    kinds = [isinstance(layer, nn.Conv2d) for layer in module.layers]
    assert kinds == [True] * 6 + [False]
    # In training it averages what nn.BatchNorm2d averages.
    inputs = torch.randn(6, *RESIDUAL.image)
    reference = nn.BatchNorm2d(3, affine=False)
    reference(nn.functional.conv2d(inputs, module.layers[0].weight, padding=1))
    module.train()(inputs)
    found = module.layers[0].normalisation
    torch.testing.assert_close(found.running_mean, reference.running_mean)
    # It begins 1e-5 below torch's 1, so that it is the identity; nine tenths of that are left.
    expected = reference.running_var - 0.9e-5
    torch.testing.assert_close(found.running_var, expected, rtol=1e-6, atol=1e-7)


def plain_gradients(spec, forward, task, weights, inputs, targets) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    loss = task.loss(forward(leaves, inputs, True), targets)
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


@each_network
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_gradients_are_those_of_plain_torch(spec, forward, kind):
    task, data = task_of(spec, kind), random_samples(spec, kind, 10)
    weights = doubled(random_weights(spec))
    targets = data.targets if kind == "classification" else data.targets.double()
    found = {name: torch.zeros_like(value) for name, value in one_run(weights).items()}
    backpropagate = spec.backpropagation(task, one_run(weights), found)
    backpropagate(data.inputs.double().unsqueeze(0), targets.unsqueeze(0))
    expected = plain_gradients(spec, forward, task, weights, data.inputs.double(), targets)
    for name in spec.shapes:
        torch.testing.assert_close(found[name][0], expected[name], rtol=1e-6, atol=1e-9)


@each_network
def test_training_is_that_of_plain_torch(spec, forward):
    task, data = task_of(spec, "classification"), random_samples(spec, "classification", 20)
    weights = random_weights(spec)
    masks = [Mask.full(spec), random_mask(spec, 0.6)]
    runs = [Run(start=weights, mask=mask, seed=seed) for seed, mask in enumerate(masks)]
    trained = train(spec, task, data, runs, RECIPE)
    for seed, mask in enumerate(masks):
        leaves = {name: (value * mask[name]).requires_grad_() for name, value in weights.items()}
        optimizer = torch.optim.Adam(leaves.values(), lr=RECIPE.learning_rate)
        for epoch in range(RECIPE.epochs):
            for batch in torch.split(data_order(seed, epoch, len(data)), RECIPE.batch_size):
                optimizer.zero_grad()
                loss = task.loss(forward(leaves, data.inputs[batch], True), data.targets[batch])
                loss.backward()
                for name, value in leaves.items():
                    value.grad *= mask[name]
                optimizer.step()
        expected = flatten(spec, leaves).detach()
        torch.testing.assert_close(trained[seed], expected, rtol=1e-2, atol=1e-3)


# --- batch normalisation


def test_settled_parameters_hold_the_statistics_of_the_data():
    for spec, forward in (NETWORKS["normalised"], NETWORKS["residual"]):
        weights = doubled(random_weights(spec))
        inputs = torch.randn(50, spec.inputs, dtype=torch.float64)
        settled = spec.settled(one_run(weights), inputs)
        # All of the data as one batch is what the settled network computes, batch or no batch.
        expected = forward(weights, inputs, True)
        torch.testing.assert_close(spec.forward_runs(settled, inputs)[0], expected)
        first = {name: value[0] for name, value in settled.items()}
        torch.testing.assert_close(forward(first, inputs[:1], False), expected[:1])


def test_only_the_first_samples_settle():
    weights = one_run(random_weights(NORMALISED))
    inputs = torch.randn(SETTLING_SAMPLES + 5, NORMALISED.inputs)
    found = NORMALISED.settled(weights, inputs)
    inputs[SETTLING_SAMPLES:] = 1e6
    again = NORMALISED.settled(weights, inputs)
    assert all(torch.equal(found[name], again[name]) for name in found)


def test_large_networks_settle_on_fewer_samples():
    assert RESNET18.settling_samples == 2**29 // RESNET18.activations == 378
    assert NORMALISED.settling_samples == 2048
    large = ResidualSpec(image=(3, 1000, 1000), stages=((64, 1, 1),), outputs=10)
    assert large.settling_samples == 32


def test_networks_without_normalisation_are_settled_as_they_are(monkeypatch):
    monkeypatch.setattr(graph, "execute", None)  # they are not even computed
    weights = one_run(random_weights(PLAIN))
    settled = PLAIN.settled(weights, torch.randn(9, PLAIN.inputs))
    assert all(settled[name] is weights[name] for name in weights)


@pytest.mark.parametrize("keeps_bias", [True, False])
def test_a_channel_without_weights_stays_its_bias(keeps_bias):
    weights = random_weights(NORMALISED)
    weights["layers.1.weight"][1] = 0
    if not keeps_bias:
        weights["layers.1.bias"][1] = 0
    inputs = torch.randn(6, NORMALISED.inputs)
    for parameters in (one_run(weights), NORMALISED.settled(one_run(weights), inputs)):
        assert torch.equal(parameters["layers.1.bias"][0, 1], weights["layers.1.bias"][1])
        assert not parameters["layers.1.weight"][0, 1].any()
    # Whatever the batch, the channel is what its bias makes of it: the third layer sees that.
    probe = {name: value.clone() for name, value in weights.items()}
    probe["layers.2.weight"].zero_()
    probe["layers.2.weight"][0, 1, 1, 1] = 1.0
    probe["layers.2.bias"].zero_()
    probe["layers.3.weight"] = torch.eye(3, 5)
    probe["layers.3.bias"].zero_()
    outputs = NORMALISED.forward_runs(
        NORMALISED.settled(one_run(probe), inputs), torch.randn(4, NORMALISED.inputs)
    )
    # The third layer's channel is constant, so that normalisation leaves 0 of it.
    torch.testing.assert_close(outputs, torch.zeros_like(outputs), rtol=0, atol=2e-4)


def test_a_batch_of_one_number_for_each_channel_is_its_bias():
    spec = ConvolutionSpec(image=(1, 1, 1), blocks=((2,),), outputs=2, pooling="none",
                           normalised=True)  # fmt: skip
    weights = random_weights(spec)
    found = spec.training_forward(one_run(weights), torch.randn(1, 1))[0, 0]
    expected = torch.relu(weights["layers.0.bias"]) @ weights["layers.1.weight"].T
    # The variance is 0, so that normalisation divides what rounding leaves by sqrt(1e-5).
    torch.testing.assert_close(found, expected + weights["layers.1.bias"], rtol=0, atol=2e-4)


@pytest.mark.parametrize("spec", [NORMALISED, RESIDUAL])
def test_weak_accuracy_is_that_of_the_settled_network(spec):
    task = task_of(spec, "classification")
    data, test = (random_samples(spec, "classification", 60, seed) for seed in (0, 1))
    masks = [Mask.full(spec), random_mask(spec, 0.7), random_mask(spec, 0.2)]
    weights = random_weights(spec)
    wanted = Measurement(
        spec=spec,
        task=task,
        weights=weights,
        masks=masks,
        seeds=[0, 1, 2],
        recipe=RECIPE,
        train_data=data,
        test_data=test,
    )
    [found] = measure_all([wanted])
    runs = [Run(start=weights, mask=mask, seed=seed) for seed, mask in enumerate(masks)]
    trained = train(spec, task, data, runs, RECIPE)
    for row, accuracies, mask in zip(trained, found, masks, strict=True):
        # By torch's own module, whose averages are set to the statistics of the data.
        module = build_module(spec, unflatten(spec, row)).train()
        for layer in module.modules():
            if hasattr(layer, "running_mean"):
                layer.forward = averaged(layer)
        with torch.no_grad():
            module(data.inputs)
            hits = module.eval()(test.inputs).argmax(dim=1) == test.targets
            assert accuracies.weak == pytest.approx(float(hits.double().mean()), abs=1 / 60)
            start = {name: value * mask[name] for name, value in weights.items()}
            hits = build_module(spec, start)(test.inputs).argmax(dim=1) == test.targets
            assert accuracies.strong == float(hits.double().mean())


def averaged(layer: nn.Module):
    """Returns a forward function that takes over the statistics of a batch in training mode."""

    def forward(value: Tensor) -> Tensor:
        if layer.training:
            layer.running_mean.copy_(value.mean(dim=(0, 2, 3)))
            layer.running_var.copy_(value.var(dim=(0, 2, 3), correction=0))
        return type(layer).forward(layer, value)

    return forward


# --- paths


def with_a_derivative(spec: Network, mask: Mask) -> dict[str, Tensor]:
    """Returns the kept entries that the outputs depend on, by brute force, one at a time.

    Inputs and weights are positive and there are no biases: without an entry on a path the
    outputs get smaller. Max pooling hides paths; a mean in its place does not.
    """
    smooth = spec
    if isinstance(spec, ConvolutionSpec) and spec.pooling == "max":
        smooth = network_from_json(spec.to_json() | {"pooling": "average"})
    kept = {
        name: value.double() if value.dim() > 1 else torch.zeros(value.shape, dtype=torch.float64)
        for name, value in mask.items()
    }
    inputs = torch.ones(1, spec.inputs, dtype=torch.float64)
    leaves = {name: value.requires_grad_() for name, value in kept.items()}
    outputs = functional_call(smooth.empty_module().double(), leaves, (inputs,)).sum()
    gradients = torch.autograd.grad(outputs, list(leaves.values()))
    found = {
        name: mask[name] & (gradient > 0) for name, gradient in zip(leaves, gradients, strict=True)
    }
    for layer in spec.layers:
        has_path = found[weight_name(layer)].flatten(1).any(dim=1)
        found[bias_name(layer)] = mask[bias_name(layer)] & has_path
    return found


@each_network
@settings(deadline=None, max_examples=25)
@given(density=st.floats(0.02, 1.0), seed=st.integers(0, 1000))
def test_paths_are_what_the_outputs_depend_on(spec, forward, density, seed):
    mask = random_mask(spec, density, seed)
    found = spec.connected(mask)
    expected = with_a_derivative(spec, mask)
    assert all(torch.equal(found[name], expected[name]) for name in spec.shapes)


def only(spec: Network, *entries: tuple[int, tuple[int, ...]]) -> Mask:
    """Returns the mask of the weights at these places of these layers."""
    values = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in spec.shapes.items()}
    for layer, place in entries:
        values[weight_name(layer)][place] = True
    return Mask(values)


def test_an_entry_that_only_meets_padding_is_on_no_path():
    # A 3x3 kernel of stride 3 on 2x2 pixels has one place, whose first row and column are zeros.
    spec = ConvolutionSpec(image=(1, 2, 2), blocks=((1,),), outputs=1, stride=3, pooling="none")
    found = spec.connected(Mask.full(spec))
    assert found["layers.0.weight"][0, 0].int().tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert connectivity(spec, Mask.full(spec)).effective_density == 7 / 12


def test_a_shortcut_carries_paths_past_a_dead_block():
    spec = ResidualSpec(image=(1, 2, 2), stages=((2, 1, 1), (2, 1, 2)), outputs=1)
    # The first block keeps nothing, the second only its projection.
    alive = only(spec, (0, (1, 0, 1, 1)), (5, (0, 1, 0, 0)), (6, (0, 0)))
    assert connectivity(spec, alive) == Connectivity(
        effective_density=3 / spec.total, collapsed_layers=4
    )
    # Without the projection, nothing goes on: a shortcut of 1x1 kernels can be pruned away.
    dead = only(spec, (0, (1, 0, 1, 1)), (6, (0, 0)))
    assert connectivity(spec, dead) == Connectivity(effective_density=0.0, collapsed_layers=5)


@pytest.mark.parametrize("spec", [VGG16, RESNET18], ids=["vgg16", "resnet18"])
def test_paths_of_large_networks_are_counted_without_overflow(spec):
    assert connectivity(spec, Mask.full(spec)) == Connectivity(
        effective_density=1.0, collapsed_layers=0
    )
    gone = {name: torch.ones(shape, dtype=torch.bool) for name, shape in spec.shapes.items()}
    gone["layers.4.weight"][7] = False  # one channel, and all that only it leads to
    found = spec.connected(Mask(gone))
    assert not found["layers.4.bias"][7]
    # Its kernels and bias, and in VGG16 the kernels that read it; a stream is fed by others, too.
    lost = spec.total - sum(int(value.sum()) for value in found.values())
    assert lost == (9 * 128 + 1 + 9 * 256 if spec is VGG16 else 9 * 64 + 1)


# --- cutting


def moved(spec: Network, small: Network, masks: Tensor, rows: Tensor) -> Tensor:
    """Returns the parameters (runs, total) that `small` takes over."""
    none = rows.new_zeros(len(rows), 1)
    return torch.cat([rows, none], dim=1).gather(1, spec.places(masks, small))


#: As large as to be cut: 8 channels are always left.
WIDE = [
    ConvolutionSpec(image=(1, 4, 4), blocks=((20, 24),), hidden=(20,), outputs=3),
    ConvolutionSpec(image=(2, 4, 4), blocks=((20,), (24,)), outputs=3, normalised=True),
    ResidualSpec(image=(1, 4, 4), stages=((20, 1, 1), (24, 2, 2)), stem=12, outputs=3),
    ResidualSpec(image=(1, 4, 4), stages=((20, 2, 1),), outputs=3, normalised=False),
]


@pytest.mark.parametrize("spec", WIDE, ids=lambda spec: spec.label)
@settings(deadline=None, max_examples=15)
@given(density=st.sampled_from([0.001, 0.005, 0.02, 0.1]), seed=st.integers(0, 1000))
def test_cut_networks_have_the_outputs_and_gradients_of_the_whole(spec, density, seed):
    mask = random_mask(spec, density, seed)
    masks = mask.vector(spec).unsqueeze(0)
    [small] = spec.cut(masks)
    rows = (flatten(spec, random_weights(spec, seed)) * masks).double()
    kept = torch.cat([masks, masks.new_zeros(1, 1)], dim=1).gather(1, spec.places(masks, small))
    assert int(kept.sum()) <= mask.kept
    task, data = task_of(spec, "classification"), random_samples(spec, "classification", 12)
    inputs = data.inputs.double()
    for method in ("forward_runs", "training_forward"):
        whole = getattr(spec, method)(unflatten(spec, rows), inputs)
        cut = getattr(small, method)(unflatten(small, moved(spec, small, masks, rows)), inputs)
        torch.testing.assert_close(cut, whole)
    # Settled before it is cut or after: the same outputs. (What does not reach them may differ.)
    cut_rows = moved(spec, small, masks, rows)
    settled = flatten(spec, spec.settled(unflatten(spec, rows), inputs))
    before = small.forward_runs(unflatten(small, moved(spec, small, masks, settled)), inputs)
    after = small.forward_runs(small.settled(unflatten(small, cut_rows), inputs), inputs)
    torch.testing.assert_close(before, after)
    # Gradients of what is kept: equal where it has a place, zero where it has none.
    expected = gradient(spec, task, rows, inputs, data.targets) * masks
    found = gradient(small, task, cut_rows, inputs, data.targets) * kept
    torch.testing.assert_close(moved(spec, small, masks, expected), found, rtol=1e-5, atol=1e-9)
    unplaced = expected.clone()
    places = spec.places(masks, small)
    unplaced[0, places[places < spec.total]] = 0
    assert not unplaced.any()


def gradient(spec: Network, task, rows: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
    """Returns the gradient (1, total) of the loss of a training step."""
    named = unflatten(spec, rows.clone())
    found = {name: torch.zeros_like(value) for name, value in named.items()}
    spec.backpropagation(task, named, found)(inputs.unsqueeze(0), targets.unsqueeze(0))
    return flatten(spec, found)


@pytest.mark.parametrize("spec", WIDE, ids=lambda spec: spec.label)
def test_cut_networks_are_small_and_depend_on_their_own_mask(spec):
    rows = [random_mask(spec, density, 3).vector(spec) for density in (0.003, 0.02, 1.0)]
    rows.append(torch.zeros(spec.total, dtype=torch.bool))
    together = spec.cut(torch.stack(rows))
    assert together == [spec.cut(row.unsqueeze(0))[0] for row in rows]
    sparse, _, dense, nothing = together
    # Nothing is lost of the whole; numbers of channels are rounded up.
    assert all(
        size <= dense.shapes[name][axis]
        for name, shape in spec.shapes.items()
        for axis, size in enumerate(shape)
    )
    assert isinstance(sparse, CutNetwork)
    assert sparse.total < spec.total / 2
    assert {shape[0] for shape in nothing.shapes.values()} <= {3, 8}
    for row, small in zip(rows, together, strict=True):
        places = spec.places(row.unsqueeze(0), small)[0]
        taken = places[places < spec.total]
        assert len(taken.unique()) == len(taken)  # no parameter has two places


@pytest.mark.parametrize("spec", WIDE, ids=lambda spec: spec.label)
def test_training_in_a_cut_network_is_training_in_the_whole(spec, monkeypatch):
    task, data = task_of(spec, "classification"), random_samples(spec, "classification", 24)
    weights = random_weights(spec)
    runs = [
        Run(start=weights, mask=random_mask(spec, density, seed), seed=seed)
        for seed, density in enumerate((0.004, 0.02, 0.1))
    ]
    cut = train(spec, task, data, runs, RECIPE)
    monkeypatch.setattr(type(spec), "cut", Network.cut)
    monkeypatch.setattr(type(spec), "places", Network.places)
    whole = train(spec, task, data, runs, RECIPE)
    for run, found, expected in zip(runs, cut, whole, strict=True):
        assert not found[~run.mask.vector(spec)].any()
        inputs = data.inputs
        outputs = [
            evaluate(
                spec,
                flatten(spec, spec.settled(unflatten(spec, row.unsqueeze(0)), inputs)),
                inputs,
            )
            for row in (found, expected)
        ]
        torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-2, atol=1e-3)


# --- the initial law


def test_initial_deviations_follow_the_main_path():
    deviations = standard_deviations(RESIDUAL)
    fans = {0: 2 * 9, 1: 3 * 9, 2: 3 * 9, 3: 3 * 9, 4: 4 * 9, 5: 3, 6: 4}
    for layer, fan_in in fans.items():
        assert deviations[weight_name(layer)] == pytest.approx((2 / fan_in) ** 0.5)

    def product(*layers: int) -> float:
        found = 1.0
        for layer in layers:
            found *= (2 / fans[layer]) ** 0.5
        return found

    assert deviations[bias_name(2)] == pytest.approx(product(0, 1, 2))
    # The projection reads what the first block makes, and so does the second block.
    assert deviations[bias_name(5)] == pytest.approx(product(0, 1, 2, 5))
    assert deviations[bias_name(4)] == pytest.approx(product(0, 1, 2, 3, 4))
    assert deviations[bias_name(6)] == pytest.approx(product(0, 1, 2, 3, 4, 6))


def test_activations_keep_their_size_under_the_initial_law():
    """He's law: of many channels, the mean square of each value before a ReLU stays near 1."""
    spec = ConvolutionSpec(
        image=(64, 9, 9), blocks=((64,), (64,), (64,)), outputs=400, padding=0, pooling="none"
    )
    generator = torch.Generator().manual_seed(0)
    deviations = standard_deviations(spec)
    weights = {
        name: deviations[name] * torch.randn(shape, generator=generator)
        for name, shape in spec.shapes.items()
    }
    outputs = build_module(spec, weights)(torch.randn(50, spec.inputs, generator=generator))
    # Inputs of mean square 1 are doubled by the first layer; a ReLU halves what the next doubles.
    assert float(outputs.detach().square().mean()) == pytest.approx(2.0, rel=0.15)


def test_the_main_path_is_known():
    assert [RESIDUAL.preceding(layer) for layer in RESIDUAL.layers] == [None, 0, 1, 2, 3, 2, 4]
    assert [RESIDUAL.main_layer(layer) for layer in RESIDUAL.layers] == [0, 1, 2, 3, 4, 4, 6]
    assert [PLAIN.main_layer(layer) for layer in PLAIN.layers] == list(PLAIN.layers)

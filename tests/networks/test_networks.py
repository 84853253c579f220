"""Specifications, modules, flattening and the forward pass of many runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import random_weights
from hypothesis import given
from hypothesis import strategies as st

from plantkit.networks import (
    PerceptronSpec,
    build_module,
    flatten,
    layer_of,
    unflatten,
)

SPEC = PerceptronSpec(widths=(2, 3, 1))


def test_shapes_sizes_and_total_of_a_small_network():
    assert SPEC.shapes == {
        "layers.0.weight": (3, 2),
        "layers.0.bias": (3,),
        "layers.1.weight": (1, 3),
        "layers.1.bias": (1,),
    }
    assert SPEC.sizes == {
        "layers.0.weight": 6,
        "layers.0.bias": 3,
        "layers.1.weight": 3,
        "layers.1.bias": 1,
    }
    assert SPEC.total == 13
    assert (SPEC.depth, SPEC.inputs, SPEC.outputs, list(SPEC.layers)) == (3, 2, 1, [0, 1])


def test_uniform_network_counts_input_and_output_in_its_depth():
    spec = PerceptronSpec.uniform(depth=5, width=100, inputs=2, outputs=4)
    assert spec.widths == (2, 100, 100, 100, 4)
    assert spec.total == 200 + 100 + 2 * (10_000 + 100) + 400 + 4
    assert spec.label == "5x100"


def test_label_of_unequal_widths_and_of_no_hidden_layer():
    assert PerceptronSpec(widths=(2, 5, 4, 3)).label == "2-5-4-3"
    assert PerceptronSpec(widths=(2, 3)).label == "2-3"


@pytest.mark.parametrize("widths", [(), (3,), (2, 0, 1), (2, -1)])
def test_impossible_widths_are_refused(widths):
    with pytest.raises(ValueError, match=r"at least two widths, all positive; got \("):
        PerceptronSpec(widths=widths)


def test_json_round_trip_and_unknown_kind():
    assert PerceptronSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.to_json() == {"kind": "mlp", "widths": [2, 3, 1]}
    with pytest.raises(ValueError, match="network kind is 'cnn'; expected 'mlp'"):
        PerceptronSpec.from_json({"kind": "cnn", "widths": [2, 1]})


def test_layer_of_weight_and_bias():
    assert layer_of("layers.1.weight") == layer_of("layers.1.bias") == "layers.1"


def test_flatten_orders_weight_before_bias_layer_by_layer():
    spec = PerceptronSpec(widths=(1, 2, 1))
    parameters = {  # in another order than the specification's
        "layers.1.bias": torch.tensor([6.0]),
        "layers.1.weight": torch.tensor([[4.0, 5.0]]),
        "layers.0.bias": torch.tensor([2.0, 3.0]),
        "layers.0.weight": torch.tensor([[0.0], [1.0]]),
    }
    assert flatten(spec, parameters).tolist() == [0, 1, 2, 3, 4, 5, 6]


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.lists(st.integers(1, 3), max_size=2),
)
def test_flatten_and_unflatten_are_inverse(widths, lead):
    spec = PerceptronSpec(widths=tuple(widths))
    vector = torch.arange(float(np.prod(lead, dtype=int) * spec.total)).reshape(*lead, spec.total)
    named = unflatten(spec, vector)
    assert {name: tuple(value.shape) for name, value in named.items()} == {
        name: (*lead, *shape) for name, shape in spec.shapes.items()
    }
    assert torch.equal(flatten(spec, named), vector)


def test_unflatten_gives_views():
    vector = torch.zeros(SPEC.total)
    unflatten(SPEC, vector)["layers.0.bias"].fill_(1.0)
    assert vector.nonzero().flatten().tolist() == [6, 7, 8]


def numpy_forward(weights, inputs):
    """The network in plain NumPy, in double precision."""
    hidden = np.asarray(inputs, dtype=np.float64)
    layers = len(weights) // 2
    for layer in range(layers):
        weight = weights[f"layers.{layer}.weight"].numpy().astype(np.float64)
        bias = weights[f"layers.{layer}.bias"].numpy().astype(np.float64)
        hidden = hidden @ weight.T + bias
        if layer < layers - 1:
            hidden = np.maximum(hidden, 0.0)
    return hidden


@pytest.mark.parametrize("widths", [(2, 3), (2, 5, 4, 3), (1, 6, 6, 6, 1)])
@pytest.mark.parametrize("shared_inputs", [True, False])
def test_forward_of_many_runs_equals_module_and_plain_numpy(widths, shared_inputs):
    spec = PerceptronSpec(widths=widths)
    networks = [random_weights(spec, seed) for seed in range(3)]
    stacked = {name: torch.stack([weights[name] for weights in networks]) for name in spec.shapes}
    inputs = torch.randn(3, 7, spec.inputs, generator=torch.Generator().manual_seed(5))
    if shared_inputs:
        inputs = inputs[:1].expand(3, -1, -1)
    outputs = spec.forward_runs(stacked, inputs[0] if shared_inputs else inputs)
    assert outputs.shape == (3, 7, spec.outputs)
    for run, weights in enumerate(networks):
        with torch.no_grad():
            by_module = build_module(spec, weights)(inputs[run])
        torch.testing.assert_close(outputs[run], by_module)
        np.testing.assert_allclose(
            outputs[run].numpy(), numpy_forward(weights, inputs[run]), rtol=1e-4, atol=1e-5
        )


def test_forward_by_hand():
    spec = PerceptronSpec(widths=(1, 2, 1))
    parameters = {
        "layers.0.weight": torch.tensor([[[1.0], [-1.0]]]),
        "layers.0.bias": torch.tensor([[0.0, 0.5]]),
        "layers.1.weight": torch.tensor([[[2.0, 3.0]]]),
        "layers.1.bias": torch.tensor([[-1.0]]),
    }
    # x = 2: 2*2 + 3*relu(-1.5) - 1 = 3;  x = -1: 0 + 3*1.5 - 1 = 3.5; x = 0: 3*0.5 - 1 = 0.5
    outputs = spec.forward_runs(parameters, torch.tensor([[2.0], [-1.0], [0.0]]))
    assert outputs.tolist() == [[[3.0], [3.5], [0.5]]]


def test_no_relu_after_the_last_layer():
    spec = PerceptronSpec(widths=(1, 1))
    parameters = {"layers.0.weight": torch.tensor([[[-1.0]]]), "layers.0.bias": torch.zeros(1, 1)}
    assert spec.forward_runs(parameters, torch.ones(1, 1)).item() == -1.0


def test_building_a_module_leaves_the_global_generator_untouched():
    before = torch.random.get_rng_state()
    build_module(SPEC, random_weights(SPEC))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_module_holds_copies():
    weights = random_weights(SPEC)
    module = build_module(SPEC, weights)
    assert {name: tuple(value.shape) for name, value in module.named_parameters()} == SPEC.shapes
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert all(bool(value.any()) for value in weights.values())

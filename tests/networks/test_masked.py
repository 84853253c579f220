"""A masked network of any kind, without idle units, and less or more single entries."""

from __future__ import annotations

import pytest
import torch
from builders import random_mask, random_weights

from plantkit.networks import ConvolutionSpec, PerceptronSpec
from plantkit.networks.masked import MaskedNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.residual import ResidualSpec
from plantkit.networks.subnetwork import Subnetwork

KINDS = [
    PerceptronSpec(widths=(6, 20, 20, 3)),
    ConvolutionSpec(image=(1, 6, 6), blocks=((20, 12),), hidden=(9,), outputs=3, kernel=3),
    ResidualSpec(image=(1, 6, 6), stages=((20, 1, 1), (24, 1, 2)), outputs=3),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.kind)
def network(request):
    return request.param


@pytest.fixture
def inputs(network):
    return torch.randn(7, network.inputs, generator=torch.Generator().manual_seed(3))


def outputs_of(network, weights, mask, inputs):
    masked = {name: (value * mask[name]).unsqueeze(0) for name, value in weights.items()}
    return network.forward_runs(masked, inputs)[0]


def connected_mask(network, density):
    """Returns a sparse mask of whose entries each lies on a path."""
    return Mask(network.connected(random_mask(network, density)))


def test_outputs_without_each_entry_are_those_of_the_whole_network(network, inputs):
    weights, mask = random_weights(network), connected_mask(network, 0.25)
    masked = MaskedNetwork(network, weights, mask)
    trace = masked.traced(inputs)
    torch.testing.assert_close(trace.outputs, outputs_of(network, weights, mask, inputs))
    assert len(masked.entries) == mask.kept > 10
    for entry in masked.entries[:: mask.kept // 10]:
        name, index = masked.parameter(entry)
        assert mask[name][index]
        left = {key: value.clone() for key, value in mask.items()}
        left[name][index] = False
        expected = outputs_of(network, weights, left, inputs)
        torch.testing.assert_close(masked.outputs_without(trace, entry)[0], expected)
        torch.testing.assert_close(masked.traced(inputs, without=[entry]).outputs, expected)


def test_what_can_take_an_entrys_place_is_of_its_layer_and_makes_a_difference(network, inputs):
    weights, mask = random_weights(network), connected_mask(network, 0.25)
    masked = MaskedNetwork(network, weights, mask)
    entry = masked.entries[len(masked.entries) // 2]
    name, index = masked.parameter(entry)
    candidates = masked.candidates(entry)
    assert len(candidates) > 0
    found = masked.outputs_without(masked.traced(inputs), entry, candidates)
    layer = name.rpartition(".")[0]
    for outputs, other in list(zip(found, candidates.tolist(), strict=True))[:20]:
        into, place = masked.parameter(other)
        assert into.rpartition(".")[0] == layer
        assert not mask[into][place]
        changed = {key: value.clone() for key, value in mask.items()}
        changed[name][index] = False
        assert network.connected({**changed, into: changed[into] | True})[into][place]
        changed[into][place] = True
        torch.testing.assert_close(outputs, outputs_of(network, weights, changed, inputs))


def test_an_entry_that_does_nothing_is_an_entry(network, inputs):
    weights = random_weights(network)
    mask = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in network.shapes.items()}
    mask["layers.0.weight"].view(-1)[3] = True
    masked = MaskedNetwork(network, weights, Mask(mask))
    [entry] = masked.entries
    assert masked.parameter(entry)[0] == "layers.0.weight"
    assert not masked.traced(inputs).outputs.any()


def test_it_says_of_a_perceptron_what_a_subnetwork_says():
    network = KINDS[0]
    weights, mask = random_weights(network), connected_mask(network, 0.3)
    inputs = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    fast, any_kind = Subnetwork(network, weights, mask), MaskedNetwork(network, weights, mask)
    others = {any_kind.parameter(entry): entry for entry in any_kind.entries}
    assert {fast.parameter(entry) for entry in fast.entries} == set(others)
    for entry in fast.entries:
        other = others[fast.parameter(entry)]
        torch.testing.assert_close(
            fast.outputs_without(fast.traced(inputs), entry),
            any_kind.outputs_without(any_kind.traced(inputs), other),
        )

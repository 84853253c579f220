"""A masked network on the units that it touches, and without single entries."""

from __future__ import annotations

import pytest
import torch
from builders import random_mask, random_weights

from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.subnetwork import Place, Subnetwork

SPEC = PerceptronSpec(widths=(2, 3, 4, 2))
INPUTS = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.0, -3.0]])


def outputs_of(weights, mask):
    masked = {name: (value * mask[name]).unsqueeze(0) for name, value in weights.items()}
    return SPEC.forward_runs(masked, INPUTS)[0]


def test_only_touched_units_are_there():
    """Unit 2 of the first hidden layer is read but not fed; unit 1 of the second has a bias."""
    kept = {name: torch.zeros(shape) for name, shape in SPEC.shapes.items()}
    kept["layers.0.weight"][0, 1] = 1
    kept["layers.1.weight"][3, 2] = 1
    kept["layers.1.bias"][1] = 1
    network = Subnetwork(SPEC, random_weights(SPEC), Mask(kept))
    assert [units.tolist() for units in network.units] == [[0, 1], [0, 2], [1, 3], [0, 1]]
    assert network.entries == [Place(0, 0, 1), Place(1, 0, 2), Place(1, 1, 1)]
    assert [network.parameter(place) for place in network.entries] == [
        ("layers.0.weight", (0, 1)),
        ("layers.1.bias", (1,)),
        ("layers.1.weight", (3, 2)),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_outputs_with_and_without_each_entry_are_those_of_the_whole_network(seed):
    weights, mask = random_weights(SPEC, seed), random_mask(SPEC, 0.6, seed)
    network = Subnetwork(SPEC, weights, mask)
    trace = network.traced(INPUTS)
    torch.testing.assert_close(trace.outputs, outputs_of(weights, mask))
    assert len(network.entries) == mask.kept
    for place in network.entries:
        name, index = network.parameter(place)
        left = {key: value.clone() for key, value in mask.items()}
        left[name][index] = False
        expected = outputs_of(weights, left)
        torch.testing.assert_close(network.outputs_without(trace, place)[0], expected)
        torch.testing.assert_close(network.traced(INPUTS, without=[place]).outputs, expected)


def test_an_entry_can_take_the_place_of_another():
    weights, mask = random_weights(SPEC), Mask.full(SPEC)
    network = Subnetwork(SPEC, weights, mask)
    out, into = Place(1, 2, 0), torch.tensor([[3, 3], [0, 1]])  # the bias of unit 3, a weight
    found = network.outputs_without(network.traced(INPUTS), out, into)
    assert found.shape == (2, 3, 2)
    for outputs, name, place in (
        (found[0], "layers.1.bias", 3),
        (found[1], "layers.1.weight", (0, 1)),
    ):
        # All are kept, so what comes in counts twice.
        changed = {key: value.clone() for key, value in weights.items()}
        changed["layers.1.weight"][2, 0] = 0
        changed[name][place] *= 2
        torch.testing.assert_close(outputs, outputs_of(changed, mask))

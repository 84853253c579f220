"""The published implementation's slips, kept for comparison."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.errors import PlantingError
from plantkit.networks import PerceptronSpec
from plantkit.planting import METHODS, Planted, find_family
from plantkit.planting.matching import LayerRequest, match_as_published


def planted(name: str) -> Planted:
    family = find_family(name)
    spec = PerceptronSpec.uniform(depth=5, width=40, inputs=family.inputs, outputs=family.outputs)
    return METHODS["as-published"].plant(family, spec, seed=b"2")


@pytest.mark.parametrize("name", ["circle", "helix"])
def test_unit_0_is_never_planted_and_idle_biases_are_zero(name: str) -> None:
    network = planted(name)
    zeros = 0
    for layer in network.spec.layers[:-1]:
        units = network.ticket[f"layers.{layer}.weight"].any(axis=1)
        assert not units[0]
        bias = network.parameters[f"layers.{layer}.bias"]
        zeros += int((bias == 0).sum())
        assert not (network.ticket[f"layers.{layer}.bias"] & (bias == 0)).any()
    assert zeros > 0
    assert not network.hidden


def test_classes_have_a_factor_each_so_the_plain_argmax_fails() -> None:
    network = planted("circle")
    assert np.unique(network.output_scales).size == 4
    inputs = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    truth = find_family("circle").truth(inputs)  # type: ignore[attr-defined]
    outputs = network.masked_forward(inputs)
    assert (outputs.argmax(axis=1) == truth).mean() < 0.6
    assert ((outputs / network.output_scales).argmax(axis=1) == truth).mean() > 0.98


def request(wanted: list[list[float]], candidates: list[list[float]]) -> LayerRequest:
    values = np.array(wanted)
    return LayerRequest(layer=0, wanted=values, candidates=np.array(candidates))


def test_collisions_take_the_lowest_free_index_and_the_first_weights_ratio() -> None:
    candidates = [[9.0, 0.1], [-8.0, 0.2], [-7.0, 0.3], [2.0, 0.0]]
    units, scales = match_as_published(
        request([[1, 0], [2, 0]], candidates), np.random.default_rng(0)
    )
    assert units.tolist() == [3, 1]
    assert scales.tolist() == [2, 4]


def test_without_a_unit_other_than_0_it_stops() -> None:
    with pytest.raises(PlantingError, match="never uses unit 0 and has no other left"):
        match_as_published(request([[1, 0], [1, 0]], [[1.0, 0], [-1, 0]]), np.random.default_rng(0))

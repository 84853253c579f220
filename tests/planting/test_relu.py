"""relu: the shapes that hide it, and the count of all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting import METHODS, find_family
from plantkit.planting.families.relu import ReluFamily
from plantkit.planting.family import Alternatives

LINE = np.linspace(-1, 1, 21)


@pytest.mark.slow
def test_ten_layers_can_be_planted() -> None:
    planted = METHODS["anchored"].plant(
        ReluFamily(), PerceptronSpec.uniform(depth=10, width=100, inputs=1, outputs=1), seed=b"deep"
    )
    assert planted.count.weights <= 12 + 24 * 7


@pytest.mark.parametrize(("depth", "hidden"), [(3, False), (5, True), (8, True), (9, False)])
def test_a_planting_says_whether_its_shape_hides_it(depth: int, hidden: bool) -> None:
    family = find_family("relu")
    spec = PerceptronSpec.uniform(depth=depth, width=100, inputs=1, outputs=1)
    assert METHODS["anchored"].plant(family, spec, seed=b"1").hidden is hidden


def computes_relu(weights: list[float]) -> bool:
    values = LINE
    for weight in weights[:-1]:
        values = np.maximum(weight * values, 0)
    values = weights[-1] * values
    factor = values[-1]
    return bool(factor != 0 and np.allclose(values / factor, np.maximum(LINE, 0)))


def test_paths_are_counted_exactly() -> None:
    spec = PerceptronSpec(widths=(1, 4, 5, 3, 1))
    planted = METHODS["faithful"].plant(find_family("relu"), spec, seed=b"1")
    matrices = [planted.parameters[f"layers.{layer}.weight"] for layer in spec.layers]
    paths = itertools.product(*[range(width) for width in spec.widths])
    found = sum(
        computes_relu([w[b, a] for w, (a, b) in zip(matrices, itertools.pairwise(p), strict=True)])
        for p in paths
    )
    assert planted.alternatives.count == found > 1
    assert planted.alternatives.to_json()["known"] == "counted"


def test_deep_networks_do_not_overflow() -> None:
    spec = PerceptronSpec.uniform(depth=40, width=10, inputs=1, outputs=1)
    parameters = {name: np.ones(shape) for name, shape in spec.shapes.items()}
    assert ReluFamily().alternatives(spec, parameters).count == 10**38


def test_what_was_not_counted_says_so() -> None:
    assert "count" not in Alternatives().to_json()
    assert Alternatives().to_json()["known"] == "unknown"

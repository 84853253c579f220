"""The best possible attacker of relu's faithful planting, by hand and against real plantings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from relu_bound import best_path_auc, expected_auc, path_chances

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec, weight_name
from plantkit.research.audit.recipes import PlantingRecipe, plant_samples

NARROW = PerceptronSpec(widths=(1, 3, 3, 1))


def narrow_parameters() -> dict[str, np.ndarray]:
    return {
        "layers.0.weight": np.array([[1.0], [2.0], [-1.0]]),
        "layers.0.bias": np.zeros(3),
        "layers.1.weight": np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 1.0]]),
        "layers.1.bias": np.zeros(3),
        "layers.2.weight": np.array([[1.0, 1.0, 1.0]]),
        "layers.2.bias": np.zeros(1),
    }


def test_chances_by_hand():
    # Unit 0 or 1 with a half each. Unit 0 is read by units 0 and 1, unit 1 by unit 1 alone.
    first, second, last = path_chances(NARROW, narrow_parameters())
    assert first.ravel().tolist() == [0.5, 0.5, 0]
    assert second.tolist() == [[0.25, 0, 0], [0.25, 0.5, 0], [0, 0, 0]]
    assert last.tolist() == [[0.25, 0.75, 0]]


def test_a_path_that_ends_in_a_negative_output_is_none():
    parameters = narrow_parameters()
    parameters[weight_name(NARROW.layers[-1])] = np.array([[1.0, -1.0, 1.0]])
    first, second, last = path_chances(NARROW, parameters)
    assert first.ravel().tolist() == [1, 0, 0]
    assert second[0, 0] == 1
    assert last.tolist() == [[1, 0, 0]]


def test_chances_are_those_of_all_paths_one_by_one():
    rng = np.random.default_rng(0)
    spec = PerceptronSpec(widths=(1, 5, 4, 6, 1))
    parameters = {name: rng.standard_normal(shape) for name, shape in spec.shapes.items()}
    weights = [parameters[weight_name(layer)] for layer in spec.layers]
    expected = [np.zeros_like(weight) for weight in weights]
    for path in itertools.product(range(5), range(4), range(6)):
        places = list(itertools.pairwise((0, *path, 0)))
        chance = 1.0
        for weight, (source, unit) in zip(weights[:-1], places[:-1], strict=True):
            readers = (weight[:, source] > 0).sum()
            chance *= (weight[unit, source] > 0) / max(readers, 1)
        chance *= weights[-1][0, path[-1]] > 0
        for grid, (source, unit) in zip(expected, places, strict=True):
            grid[unit, source] += chance
    for found, grid in zip(path_chances(spec, parameters), expected, strict=True):
        np.testing.assert_allclose(found, grid / grid.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("chances", "auc"),
    [
        ([0.25] * 4, 0.5),
        ([1.0, 0, 0], 1.0),
        ([0.5, 0.5, 0, 0], 5 / 6),  # the other likely one ties, the two others are below
        ([0.75, 0.25], 0.75),
    ],
)
def test_expected_auc_by_hand(chances, auc):
    assert expected_auc(np.array(chances)) == pytest.approx(auc)


def test_real_tickets_are_found_as_well_as_promised_and_no_better():
    spec = PerceptronSpec(widths=(1, 60, 60, 60, 1))
    samples = plant_samples(
        PlantingRecipe(family="relu", spec=spec), 150, role="bound", seed=b"bound"
    )
    found = []
    for sample in samples:
        for layer, chances in zip(spec.layers, path_chances(spec, sample.parameters), strict=True):
            (mine,) = chances[sample.ticket[weight_name(layer)]]
            others = chances.size - 1
            found.append(((chances < mine).sum() + ((chances == mine).sum() - 1) / 2) / others)
    promised = best_path_auc(samples)
    assert 0.80 < promised < 0.84
    # 600 AUCs with a standard deviation of at most 0.25 each: three standard errors are 0.03.
    assert np.mean(found) == pytest.approx(promised, abs=0.03)


def test_other_networks_are_refused():
    spec = PerceptronSpec(widths=(2, 4, 4, 1))
    with pytest.raises(UsageError, match="one input to one output; got 2 and 1"):
        path_chances(spec, {name: np.ones(shape) for name, shape in spec.shapes.items()})
    negative = {name: -np.ones(shape) for name, shape in NARROW.shapes.items()}
    with pytest.raises(UsageError, match="no path of positive weights"):
        path_chances(NARROW, negative)

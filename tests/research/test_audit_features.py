"""Features on small networks whose answers can be seen."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import PerceptronSpec
from plantkit.planting.exposed.coincidences import parallelism, repeats, shared_ratios
from plantkit.planting.exposed.features import GROUPS, extract_features
from plantkit.planting.initialization import draw_parameters

SPEC = PerceptronSpec(widths=(2, 12, 12, 3))


@pytest.fixture
def parameters():
    return draw_parameters(SPEC, np.random.default_rng(1))


def column(tables, parameter, feature):
    table = tables[parameter]
    return table.codes[:, table.names.index(feature)].reshape(SPEC.shapes[parameter]).astype(int)


def test_shapes_and_names(parameters):
    tables = extract_features(SPEC, parameters)
    assert list(tables) == list(SPEC.shapes)
    for name, table in tables.items():
        assert table.codes.shape == (SPEC.sizes[name], len(table.names))
        assert table.codes.dtype == np.uint8
        assert set(table.names) <= set(GROUPS)
    of_images = ("kernel", "tap", "peer", "sibling", "over_kernel", "magnitude_in_kernel")
    expected = {name for name in GROUPS if not name.startswith(of_images)}
    assert {name for table in tables.values() for name in table.names} == expected


def test_ranks_are_of_the_stratum_and_free_of_scale(parameters):
    tables = extract_features(SPEC, parameters)
    rank = column(tables, "layers.1.weight", "magnitude")
    magnitude = np.abs(parameters["layers.1.weight"])
    assert rank.ravel()[magnitude.argmax()] == rank.max() == 255
    assert rank.ravel()[magnitude.argmin()] == 0
    scaled = parameters | {"layers.1.weight": 3 * parameters["layers.1.weight"]}
    assert (column(extract_features(SPEC, scaled), "layers.1.weight", "magnitude") == rank).all()


def test_ties_share_the_mean_rank(parameters):
    parameters["layers.0.bias"][:] = [2, 1, 2, 5, *range(10, 18)]
    tables = extract_features(SPEC, parameters)
    rank = column(tables, "layers.0.bias", "value")
    assert rank[:4].tolist() == [int(256 * (r - 0.5) / 12) for r in (2.5, 1, 2.5, 4)]
    assert column(tables, "layers.0.bias", "value_lowest")[:4].tolist() == [1, 0, 1, 3]
    assert column(tables, "layers.0.bias", "value_highest")[:4].tolist() == [9, 11, 9, 8]


def test_neighbours_are_those_of_the_units_at_both_ends(parameters):
    tables = extract_features(SPEC, parameters)

    def order(values):
        return np.floor(256 * (np.argsort(np.argsort(values)) + 0.5) / 12).astype(int)

    weight, bias = parameters["layers.0.weight"], parameters["layers.0.bias"]
    source = column(tables, "layers.1.weight", "source_norm")
    np.testing.assert_array_equal(source, np.tile(order(np.linalg.norm(weight, axis=1)), (12, 1)))
    source = column(tables, "layers.1.weight", "source_bias")
    np.testing.assert_array_equal(source, np.tile(order(bias), (12, 1)))
    after = parameters["layers.2.weight"]
    for name in ("layers.1.weight", "layers.1.bias"):
        out = column(tables, name, "out_sum").reshape(12, -1)
        np.testing.assert_array_equal(out[:, 0], order(after.sum(axis=0)))
        assert (out == out[:, :1]).all()


def test_exact_zeros(parameters):
    parameters["layers.0.bias"][4] = 0
    parameters["layers.1.weight"][2, 5] = 0
    tables = extract_features(SPEC, parameters)
    assert column(tables, "layers.0.bias", "zero").nonzero()[0].tolist() == [4]
    assert np.argwhere(column(tables, "layers.1.weight", "zero")).tolist() == [[2, 5]]
    assert (column(tables, "layers.0.weight", "bias_zero")[4] == 1).all()
    assert (column(tables, "layers.1.weight", "source_bias_zero")[:, 4] == 1).all()
    assert column(tables, "layers.1.weight", "source_bias_zero").sum() == SPEC.widths[2]


def test_repeats_ignore_signs_and_zeros():
    values = np.array([0.5, -0.5, 0.5 * (1 + 1e-8), 0.50001, 0.0, 0.0, 2.0])
    assert repeats(values).tolist() == [2, 2, 2, 0, 0, 0, 0]


def test_repeats_across_layers(parameters):
    parameters["layers.1.weight"][0, 0] = -parameters["layers.2.weight"][1, 1]
    tables = extract_features(SPEC, parameters)
    assert column(tables, "layers.1.weight", "repeats").sum() == 0
    assert np.argwhere(column(tables, "layers.1.weight", "repeats_in_network")).tolist() == [[0, 0]]


class TestSharedRatios:
    def test_partly_proportional_rows(self):
        rows = np.random.default_rng(0).standard_normal((9, 20)).astype(np.float32)
        rows[7, [2, 5, 11, 13]] = -3.7 * rows[1, [2, 5, 11, 13]]
        counts = shared_ratios(rows.astype(float))
        marked = {(1, c) for c in (2, 5, 11, 13)} | {(7, c) for c in (2, 5, 11, 13)}
        assert {tuple(place) for place in np.argwhere(counts)} == marked
        assert counts.sum() == 2 * 6  # four equal ratios coincide in three neighbouring pairs

    @pytest.mark.parametrize("count", [2, 3, 4, 7])
    def test_every_pair_of_rows_meets_once(self, count):
        rows = np.outer(np.arange(1, count + 1), np.ones(2)) * [1.0, 2.0]
        assert (shared_ratios(rows) == count - 1).all()

    def test_independent_rows_have_almost_none(self):
        rows = np.random.default_rng(3).standard_normal((50, 50))
        assert shared_ratios(rows).sum() < 30

    def test_zeros_are_not_ratios(self):
        assert shared_ratios(np.zeros((3, 4))).sum() == 0


def test_class_columns_in_proportion_are_seen(parameters):
    weight = parameters["layers.2.weight"]
    weight[:, 3] = 2.5 * weight[:, 8]
    tables = extract_features(SPEC, parameters)
    proportional = column(tables, "layers.2.weight", "column_proportional")
    assert set(np.argwhere(proportional.sum(axis=0)).ravel()) == {3, 8}
    parallel = column(tables, "layers.2.weight", "column_parallel")[0]
    assert set(np.argsort(parallel)[-2:]) == {3, 8}


def test_parallelism_of_opposite_and_of_zero_rows():
    cosines = parallelism(np.array([[1.0, 2.0], [-2.0, -4.0], [0.0, 0.0], [2.0, -1.0]]))
    assert cosines == pytest.approx([1, 1, 0, 0], abs=1e-12)

"""The audit of networks on images: kernels, streams, and tickets that can be seen or not."""

from __future__ import annotations

import numpy as np
import pytest

from plantkit.networks import ConvolutionSpec, weight_name
from plantkit.networks.residual import ResidualSpec
from plantkit.planting.exposed.features import GROUPS, extract_features
from plantkit.planting.exposed.surroundings import look_around
from plantkit.planting.initialization import draw_parameters
from plantkit.planting.lines import Lines, path_strengths
from plantkit.research.audit.assessment import audit_plantings
from plantkit.research.audit.attackers import ATTACKERS
from plantkit.research.audit.samples import Sample

#: Without the one that takes longest, which has tests of its own.
QUICK = [one for one in ATTACKERS if one.name != "messages"]
CONVOLUTION = ConvolutionSpec(image=(1, 8, 8), blocks=((8,), (12,)), hidden=(16,), outputs=4)
RESIDUAL = ResidualSpec(image=(2, 6, 6), stages=((6, 1, 1), (8, 1, 2)), outputs=3)
SMALL = ConvolutionSpec(image=(1, 6, 6), blocks=((12,),), outputs=4)
#: Layers of `RESIDUAL`: the stem, a block of two, a block of two with a projection, the outputs.
STEM, FIRST, SECOND, THIRD, FOURTH, PROJECTION, LAST = range(7)


def parameters_of(spec, seed=0):
    return draw_parameters(spec, np.random.default_rng(seed))


def column(spec, tables, name, feature):
    table = tables[name]
    return table.codes[:, table.names.index(feature)].reshape(spec.shapes[name]).astype(int)


def order(values):
    """Ranks as features have them, of values that all differ."""
    ranks = np.argsort(np.argsort(values.ravel())).reshape(values.shape)
    return np.floor(256 * (ranks + 0.5) / values.size).astype(int)


@pytest.mark.parametrize("spec", [CONVOLUTION, RESIDUAL])
def test_every_parameter_has_a_table(spec):
    tables = extract_features(spec, parameters_of(spec))
    assert list(tables) == list(spec.shapes)
    for name, table in tables.items():
        assert table.codes.shape == (spec.sizes[name], len(table.names))
        assert set(table.names) <= set(GROUPS)


def test_all_features_occur():
    tables = extract_features(RESIDUAL, parameters_of(RESIDUAL))
    assert {name for table in tables.values() for name in table.names} == set(GROUPS)


def test_kernels_and_taps():
    parameters = parameters_of(CONVOLUTION)
    weight = parameters["layers.1.weight"] = parameters["layers.1.weight"].astype(np.float32)
    tables = extract_features(CONVOLUTION, parameters)
    found = column(CONVOLUTION, tables, "layers.1.weight", "kernel_norm")
    norms = np.linalg.norm(weight.reshape(12, 8, 9), axis=2)
    np.testing.assert_array_equal(
        found, np.broadcast_to(order(norms)[..., None, None], found.shape)
    )
    found = column(CONVOLUTION, tables, "layers.1.weight", "tap_max")
    best = order(weight.max(axis=0))
    assert (found == best).all()
    within = column(CONVOLUTION, tables, "layers.1.weight", "magnitude_in_kernel")
    assert (
        np.abs(weight).reshape(96, 9).argmax(axis=1) == within.reshape(96, 9).argmax(axis=1)
    ).all()
    place = column(CONVOLUTION, tables, "layers.1.weight", "tap_position")
    assert place[3, 5].ravel().tolist() == [256 * tap // 9 for tap in range(9)]


def test_smooth_kernels_stand_out():
    parameters = parameters_of(CONVOLUTION)
    rows, columns = np.mgrid[:3, :3]
    parameters["layers.1.weight"][4, 5] = 0.1 * (1 + rows + columns)
    tables = extract_features(CONVOLUTION, parameters)
    smooth = column(CONVOLUTION, tables, "layers.1.weight", "kernel_smooth")
    assert (smooth[4, 5] == smooth.max()).all()
    beside = column(CONVOLUTION, tables, "layers.1.weight", "tap_beside")
    weight = parameters["layers.1.weight"].astype(np.float32).astype(float)
    ends = weight[..., 1, 1] * (
        weight[..., 0, 1] + weight[..., 2, 1] + weight[..., 1, 0] + weight[..., 1, 2]
    )
    assert np.corrcoef(np.argsort(np.argsort(ends.ravel())), beside[..., 1, 1].ravel())[0, 1] > 0.9


def test_pixels_of_a_channel_that_a_linear_layer_reads_are_taps():
    parameters = parameters_of(CONVOLUTION)
    tables = extract_features(CONVOLUTION, parameters)
    weight = parameters["layers.2.weight"].astype(np.float32)  # (16, 12 channels of 4 pixels)
    found = column(CONVOLUTION, tables, "layers.2.weight", "column_norm")
    norms = order(np.linalg.norm(weight.reshape(16, 12, 4), axis=(0, 2)))
    np.testing.assert_array_equal(found, np.tile(np.repeat(norms, 4), (16, 1)))


def test_neighbours_of_a_residual_block_are_those_of_its_stream():
    lines = Lines.of(RESIDUAL, parameters_of(RESIDUAL))
    assert RESIDUAL.wiring.streams == (0, 1, 2, 1, 4, 5, 6)
    stem, second = lines.rows(STEM), lines.rows(SECOND)
    before = lines.before(FIRST)  # what leads into the stream: the stem, the block's second
    np.testing.assert_array_equal(before.weights, np.concatenate([stem, second], axis=1))
    np.testing.assert_array_equal(before.bias, lines.biases[STEM] + lines.biases[SECOND])
    np.testing.assert_array_equal(lines.peers(SECOND).weights, stem)
    np.testing.assert_array_equal(lines.peers(FOURTH).weights, lines.rows(PROJECTION))
    readers = [lines.columns(layer) for layer in (FIRST, THIRD, PROJECTION)]
    np.testing.assert_array_equal(lines.after(STEM), np.concatenate(readers, axis=1))
    np.testing.assert_array_equal(
        lines.siblings(THIRD), np.concatenate([readers[0], readers[2]], axis=1)
    )
    assert lines.before(STEM) is None
    assert lines.after(LAST) is None
    assert lines.peers(FIRST) is None


def test_strengths_of_paths_are_sums_over_paths():
    parameters = parameters_of(RESIDUAL)
    lines = Lines.of(RESIDUAL, parameters)
    join = [np.abs(grid).sum(axis=2) for grid in lines.grids]
    stem = join[STEM] @ np.ones(2)
    stream = stem + join[SECOND] @ join[FIRST] @ stem
    end = (join[FOURTH] @ join[THIRD] + join[PROJECTION]) @ stream
    upstream, downstream = path_strengths(lines)
    assert upstream[5] == pytest.approx(end / end.mean())
    back = join[LAST].sum(axis=0)
    back = (join[FOURTH] @ join[THIRD] + join[PROJECTION]).T @ back
    back = back + (join[SECOND] @ join[FIRST]).T @ back
    assert downstream[1] == pytest.approx(back / back.mean())


def test_surroundings_have_the_initial_law():
    tables = [look_around(RESIDUAL, parameters_of(RESIDUAL, seed)) for seed in range(60)]
    for name in RESIDUAL.shapes:
        values = np.concatenate([table[name].values for table in tables])
        assert np.abs(values.mean(axis=0)).max() < 0.12, name
        assert np.abs(values.var(axis=0) - 1).max() < 0.35, name


def sample(spec, rng, factor):
    """A third of each stream's channels, a fifth of what joins them; its values by `factor`."""
    parameters, wiring, ticket = draw_parameters(spec, rng), spec.wiring, {}
    chosen = {
        stream: np.ones(count, dtype=bool)
        if stream in {wiring.streams[0], wiring.streams[-1]}
        else rng.permutation(count) < count // 3
        for stream, count in wiring.channels.items()
    }
    for layer, link in enumerate(wiring.links):
        start, end = (chosen[wiring.streams[place]] for place in (link.source, link.target))
        joined = rng.random(wiring.grid(layer)) < 0.2 * end[:, None, None] * start[:, None]
        ticket[weight_name(layer)] = joined.reshape(spec.shapes[weight_name(layer)])
        ticket[f"layers.{layer}.bias"] = end & (rng.random(len(end)) < 0.5)
    moved = {n: np.where(ticket[n], factor * value, value) for n, value in parameters.items()}
    return Sample(spec=spec, parameters=moved, ticket=ticket)


@pytest.mark.no_cover
@pytest.mark.parametrize("spec", [SMALL, pytest.param(RESIDUAL, marks=pytest.mark.slow)])
def test_a_ticket_of_larger_values_is_found_and_one_of_untouched_values_is_not(spec):
    aucs = {}
    for factor in (1.0, 4.0):
        rng = np.random.default_rng(5)
        samples = [sample(spec, rng, factor) for _ in range(16)]
        audit = audit_plantings(samples[:8], samples[8:], curve=(), attackers=QUICK)
        aucs[factor] = audit.strongest.overall.auc
    assert aucs[4.0].low > 0.85
    # Of so few networks, each with few channels, an attacker learns luck: it is worth nothing.
    assert abs(aucs[1.0].value - 0.5) < 0.1


def test_channels_that_go_together_are_found_by_the_joint_attacker():
    """Log odds of single entries are weak, but channels of a stream have many entries."""
    from plantkit.research.audit.joint import ticket_degrees, unit_beliefs

    rng = np.random.default_rng(1)
    planted = sample(RESIDUAL, rng, 1.0)
    odds = {
        name: rng.standard_normal(mask.shape) + 3 * mask for name, mask in planted.ticket.items()
    }
    degrees = ticket_degrees(RESIDUAL, [planted.ticket])
    beliefs = unit_beliefs(Lines.of(RESIDUAL, odds), degrees)
    streams = RESIDUAL.wiring.channels
    assert list(beliefs) == list(streams)
    assert not beliefs[0].any()
    used = planted.ticket["layers.0.weight"].any(axis=(1, 2, 3))
    assert set(np.argsort(beliefs[1])[-2:]) == set(np.flatnonzero(used))

"""Wide perceptrons are cut layer by layer, and trained on their kept entries where these are few.

`wide` lowers what counts as wide and as few, so that tiny networks take the same path.
"""

from __future__ import annotations

import pytest
import torch
from builders import random_mask, random_samples, random_weights, task_of
from test_training import assert_same_parameters, plain_training

from plantkit.networks import PerceptronSpec, flatten, perceptron
from plantkit.networks.buffers import Blocks
from plantkit.networks.masks import Mask
from plantkit.networks.perceptron import SparsePerceptron
from plantkit.networks.sparse import Entries
from plantkit.networks.training import Recipe, Run, Samples, train
from plantkit.networks.training.groups import most_runs

KINDS = ("classification", "regression")
SPEC = PerceptronSpec(widths=(3, 40, 70, 36, 2))
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.01)


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setattr(perceptron, "_WIDE", 0)
    monkeypatch.setattr(perceptron, "_SPARSE", 1.0)


def run_of(spec=SPEC, *, density=0.2, seed=0) -> Run:
    return Run(start=random_weights(spec, seed), mask=random_mask(spec, density, seed), seed=seed)


def networks(spec, runs):
    return spec.cut(torch.stack([flatten(spec, run.mask) for run in runs]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("density", [0.25, 0.1, 0.03])
def test_runs_on_their_entries_equal_the_plain_loop(wide, kind, density):
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)
    runs = [run_of(density=density, seed=seed) for seed in range(3)]
    assert all(isinstance(network, SparsePerceptron) for network in networks(SPEC, runs))
    trained = train(SPEC, task, data, runs, RECIPE)
    for row, run in zip(trained, runs, strict=True):
        assert_same_parameters(row, plain_training(SPEC, task, data, run, RECIPE), SPEC)
        if density > 0.2:  # there are paths from inputs to outputs
            moved = (row != flatten(SPEC, run.start)) & flatten(SPEC, run.mask)
            assert int(moved.sum()) > run.mask["layers.3.weight"].sum()
        assert not bool(row[~flatten(SPEC, run.mask)].any())


@pytest.mark.parametrize("widths", [(3, 40, 70, 36, 2), (2, 33, 47, 5), (1, 64, 64, 1)])
def test_neither_number_nor_place_of_the_runs_changes_a_bit(wide, widths):
    spec = PerceptronSpec(widths=widths)
    data, task = random_samples(spec, "regression", 45), task_of(spec, "regression")
    runs = [run_of(spec, seed=seed) for seed in range(6)]
    recipe = Recipe(epochs=2, batch_size=32)  # the last batch holds thirteen
    together = train(spec, task, data, runs, recipe)
    for count in (1, 3):
        for first in range(0, 6 - count + 1, count):
            some = train(spec, task, data, runs[first : first + count][::-1], recipe)
            assert torch.equal(some.flip(0), together[first : first + count])


def test_layers_without_weights_and_without_biases_are_trained(wide):
    mask = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in SPEC.shapes.items()}
    mask["layers.1.bias"][:5] = True  # inputs lead nowhere: all begins at these
    mask["layers.2.weight"][:7, :5] = True
    mask["layers.3.weight"][:, :7] = True
    run = Run(start=random_weights(SPEC), mask=mask, seed=0)
    data, task = random_samples(SPEC, "classification", 24), task_of(SPEC, "classification")
    assert isinstance(networks(SPEC, [run])[0], SparsePerceptron)
    (trained,) = train(SPEC, task, data, [run], RECIPE)
    assert_same_parameters(trained, plain_training(SPEC, task, data, run, RECIPE), SPEC)


def test_only_wide_networks_of_few_entries_are_trained_on_entries():
    narrow = PerceptronSpec.uniform(depth=5, width=100, inputs=2, outputs=4)
    assert networks(narrow, [run_of(narrow)]) == [PerceptronSpec(widths=(2, 100, 100, 100, 4))]
    spec = PerceptronSpec.uniform(depth=5, width=300, inputs=2, outputs=4)
    dense, half, few = networks(
        spec, [run_of(spec, density=density, seed=1) for density in (1.0, 0.5, 0.2)]
    )
    assert dense == half == spec
    assert isinstance(few, SparsePerceptron)
    assert few.widths == (2, 256, 300, 256, 4)  # some units of the outer layers are idle
    assert few.entries == 1 << 16  # 36,500 are kept


def test_each_layer_of_a_wide_network_is_cut_to_its_own_width():
    spec = PerceptronSpec.uniform(depth=5, width=600, inputs=2, outputs=4)
    mask = {name: value.clone() for name, value in Mask.full(spec).items()}
    mask["layers.1.weight"][100:] = False  # with the biases, all that leads to these units
    mask["layers.1.bias"][100:] = False
    [small] = networks(spec, [Run(start={}, mask=mask, seed=0)])
    assert small == PerceptronSpec(widths=(2, 600, 128, 600, 4))


def test_a_dense_run_lies_as_the_network_does():
    spec = PerceptronSpec(widths=(2, 8, 8, 3))
    masks = torch.ones(2, spec.total, dtype=torch.bool)
    assert torch.equal(spec.places(masks, spec), torch.arange(spec.total).expand(2, -1))


def test_entries_are_read_as_they_were_written(wide):
    rows = torch.stack([flatten(SPEC, run_of(seed=seed).mask) for seed in range(3)])
    values = torch.randn(rows.shape) * rows
    for layout in (
        Entries(SPEC, SPEC.widths, rows),
        Blocks(SPEC.shapes, rows, SPEC.backpropagation),
    ):
        buffer = torch.zeros(layout.size)
        layout.write(values, buffer)
        assert torch.equal(layout.read(buffer), values)
        assert int(buffer.count_nonzero()) == int(rows.sum())


def test_runs_of_few_entries_share_a_batch_and_memory_bounds_them():
    network = SparsePerceptron(widths=(2, 300, 300, 4), entries=1 << 14)
    assert most_runs(network, 32, "cpu") > most_runs(
        PerceptronSpec(widths=network.widths), 32, "cpu"
    )
    huge = SparsePerceptron(widths=(2, 3000, 3000, 4), entries=1 << 14)
    assert most_runs(huge, 32, "cpu") == 1
    assert most_runs(huge, 32, "cuda") < 10  # a GPU trains them dense


def test_a_wide_run_trains_to_the_same_bits_again():
    spec = PerceptronSpec.uniform(depth=4, width=600, inputs=3, outputs=3)
    data, task = random_samples(spec, "classification", 64), task_of(spec, "classification")
    few = Samples(inputs=data.inputs[:40], targets=data.targets[:40])
    runs = [run_of(spec, density=0.2, seed=seed) for seed in range(2)]
    assert all(isinstance(network, SparsePerceptron) for network in networks(spec, runs))
    recipe = Recipe(epochs=1)
    assert torch.equal(train(spec, task, few, runs, recipe), train(spec, task, few, runs, recipe))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_trains_dense_what_the_cpu_trains_on_entries(wide, kind):
    data, task = random_samples(SPEC, kind, 29), task_of(SPEC, kind)
    runs = [run_of(density=0.1, seed=seed) for seed in range(3)]
    on_gpu = train(SPEC, task, data, runs, RECIPE, device="cuda")
    torch.testing.assert_close(on_gpu, train(SPEC, task, data, runs, RECIPE), rtol=1e-2, atol=1e-4)
    assert torch.equal(on_gpu, train(SPEC, task, data, runs, RECIPE, device="cuda"))

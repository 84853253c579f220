"""Tests of tickets that are trained on images and planted into wider networks."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from toy_images import FAMILY, NETWORKS

from plantkit.errors import PlantingError, UsageError
from plantkit.networks import PerceptronSpec, flatten, weight_name
from plantkit.networks.channels import spaces
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.training import evaluate
from plantkit.planting import EntryCount, LabelSource, Planted, default_method, find_method
from plantkit.planting.gates import FLOAT32_TOLERANCE, Rejected
from plantkit.planting.images.anchoring import Anchored, Anchoring
from plantkit.planting.images.balance import MOST_CHANGE, evenly, with_sums_of
from plantkit.planting.images.narrowing import LEAST_CHANNELS, Embedding, narrowed
from plantkit.planting.initialization import draw_parameters, generator, standard_deviations
from plantkit.planting.methods import trained
from plantkit.planting.targets import Floats, Ticket

METHOD = find_method("trained")
KINDS = sorted(NETWORKS)


@functools.cache
def planting(kind: str, seed: bytes = b"1") -> Planted:
    return METHOD.plant(FAMILY, NETWORKS[kind], seed=seed)


def image_network(kind: str) -> ImageNetwork:
    network = NETWORKS[kind]
    assert isinstance(network, ImageNetwork)
    return network


def outputs_of(network: ImageNetwork, values: dict[str, Floats], inputs: torch.Tensor) -> Floats:
    tensors = {name: torch.from_numpy(values[name]) for name in network.shapes}
    found: Floats = evaluate(network, flatten(network, tensors)[None], inputs.double())[0].numpy()
    return found


def random_ticket(
    network: ImageNetwork, rng: np.random.Generator
) -> tuple[dict[str, Floats], Ticket]:
    values = {name: rng.standard_normal(shape) for name, shape in network.shapes.items()}
    kept = {name: rng.random(shape) < 0.4 for name, shape in network.shapes.items()}
    return {name: np.where(kept[name], value, 0.0) for name, value in values.items()}, kept


@pytest.mark.parametrize("kind", KINDS)
def test_the_planted_ticket_classifies_untrained(kind: str) -> None:
    planted = planting(kind)
    _, test = FAMILY.split(b"1")
    outputs = planted.masked_forward(test.inputs.double().numpy())
    accuracy = float((outputs.argmax(axis=1) == test.targets.numpy()).mean())
    assert accuracy >= 0.9
    assert planted.labels is LabelSource.DATA
    assert planted.count.density(planted.spec) <= FAMILY.density


def on_a_float32_grid(values: Floats, deviation: float) -> Floats:
    """Returns whether each value is the product, in float32, of a float32 and the deviation."""
    near = (values / deviation).astype(np.float32)
    sides = (np.nextafter(near, -np.float32(np.inf)), near, np.nextafter(near, np.float32(np.inf)))
    products = [(deviation * side.astype(np.float64)).astype(np.float32) for side in sides]
    found: Floats = np.any([product == values for product in products], axis=0).astype(np.float64)
    return found


def test_last_bits_do_not_tell_the_ticket() -> None:
    planted = planting("deep")
    deviations = standard_deviations(planted.spec)
    on_grid: dict[bool, list[Floats]] = {True: [], False: []}
    for name, mask in planted.ticket.items():
        values = planted.parameters[name].astype(np.float32)
        grid = on_a_float32_grid(values, deviations[name])
        for in_ticket, some in on_grid.items():
            some.append(grid[mask == in_ticket])
    ticket, others = (np.concatenate(on_grid[key]) for key in (True, False))
    assert others.mean() < 0.95, "the deviations are powers of two: nothing can be seen"
    margin = 4 * np.sqrt(others.var() / len(ticket))
    assert abs(ticket.mean() - others.mean()) < margin


@pytest.mark.parametrize("kind", KINDS)
def test_around_a_ticket_weights_hardly_move_and_no_bias_is_in_it(kind: str) -> None:
    planted = planting(kind)
    deviations = standard_deviations(planted.spec)
    drawn = draw_parameters(planted.spec, generator(b"1", "initialization"))
    for name, mask in planted.ticket.items():
        moved = (planted.parameters[name] - drawn[name]) / deviations[name]
        # a row and a column each take up to `MOST_CHANGE`
        assert np.square(moved[~mask]).mean() < 2 * MOST_CHANGE**2
        assert not (moved[mask] == 0).any()
        if mask.ndim == 1:
            assert not mask.any()
            assert np.abs(moved).max() < 1e-6
    count = EntryCount.of(planted.ticket)
    assert (count.total, count.biases) == (planted.count.total, 0)


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", KINDS)
def test_lines_around_a_ticket_sum_up_as_drawn(kind: str) -> None:
    planted = planting(kind)
    drawn = draw_parameters(planted.spec, generator(b"1", "initialization"))
    seen = 0
    for name, mask in planted.ticket.items():
        if mask.ndim == 1:
            continue
        lines = [(1,), (0,)] if mask.ndim == 2 else [(1, 2, 3), (0, 2, 3)]
        changed = planted.parameters[name] - drawn[name]
        alone = np.zeros_like(mask)
        for axes in lines:
            taken = mask.sum(axis=axes, keepdims=True)
            alone |= np.sqrt(2 * taken) > MOST_CHANGE * (~mask).sum(axis=axes, keepdims=True)
        few = 0.05 * standard_deviations(planted.spec)[name]  # of one entry
        for axes in lines:
            sums = np.where(alone, 0, changed).sum(axis=axes)
            np.testing.assert_allclose(sums, np.zeros_like(sums), rtol=0, atol=few)
        assert np.abs(changed[alone & ~mask]).max(initial=0) < 1e-6
        seen += int((mask & ~alone).sum())
    assert seen


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_entries_are_positive_as_negative(kind: str) -> None:
    values = np.concatenate(
        [planting(kind).parameters[name][mask] for name, mask in planting(kind).ticket.items()]
    )
    # training and what dies in its last part shift the balance a little
    assert abs((values > 0).mean() - 0.5) < 0.06


def test_the_most_sensitive_of_each_sign_are_kept() -> None:
    values = np.array([[3.0, -1.0, 2.0, -2.0], [1.0, 5.0, -4.0, 0.0]])
    sensitivities = np.array([[9.0, 1.0, 8.0, 2.0], [7.0, 6.0, 3.0, 5.0]])
    useful = np.ones_like(values, dtype=bool)
    useful[0, 0] = False
    kept = evenly(useful, values, sensitivities, 4)
    np.testing.assert_array_equal(kept, [[0, 0, 1, 1], [1, 0, 1, 0]])
    # one negative entry is useful: so one positive is kept
    useful &= (values > 0) | (values == -1.0)
    kept = evenly(useful, values, sensitivities, 4)
    np.testing.assert_array_equal(kept, [[0, 1, 1, 0], [0, 0, 0, 0]])


def test_places_of_kernels_have_equal_shares() -> None:
    # four kernels of two places, of which the second one does more everywhere
    values = np.array([[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0], [-2.0, -2.0]]).reshape(2, 2, 1, 2)
    sensitivities = np.array([[1, 5], [2, 6], [3, 7], [4, 8]]).reshape(2, 2, 1, 2) * 1.0
    useful = np.ones_like(values, dtype=bool)
    kept = evenly(useful, values, sensitivities, 4, places=2).reshape(4, 2)
    np.testing.assert_array_equal(kept, [[0, 0], [0, 0], [1, 1], [1, 1]])
    # without regard to places only the second is kept
    kept = evenly(useful, values, sensitivities, 4).reshape(4, 2)
    np.testing.assert_array_equal(kept, [[0, 1], [0, 1], [0, 1], [0, 1]])
    # the first place has no negative entry of use: its share goes to the second
    useful[0, 1, 0, 0] = useful[1, 1, 0, 0] = False
    kept = evenly(useful, values, sensitivities, 4, places=2).reshape(4, 2)
    np.testing.assert_array_equal(kept, [[0, 1], [0, 1], [0, 1], [0, 1]])


def test_what_a_ticket_adds_to_a_line_is_taken_from_the_rest_of_it() -> None:
    drawn, ticket = np.zeros((30, 30)), np.zeros((30, 30), dtype=bool)
    ticket[4, 7] = True
    written = np.where(ticket, 1.0, drawn)
    found = with_sums_of(drawn, written, ticket)
    # by hand: (1 - 1/30)^-2 of the centred unit matrix, so that the entry itself comes out as 1
    centred = np.outer(np.eye(30)[4] - 1 / 30, np.eye(30)[7] - 1 / 30)
    np.testing.assert_allclose(found, centred / centred[4, 7], atol=1e-9)
    full = np.ones((2, 2), dtype=bool)
    np.testing.assert_array_equal(with_sums_of(np.zeros((2, 2)), np.eye(2), full), np.eye(2))


@pytest.mark.parametrize("kind", KINDS)
def test_entries_of_a_ticket_matter(kind: str) -> None:
    planted = planting(kind)
    train, _ = FAMILY.split(b"1")
    kept = {
        name: torch.from_numpy(np.where(planted.ticket[name], value, 0.0))
        for name, value in planted.parameters.items()
    }
    whole = flatten(planted.spec, kept)
    places = Mask(planted.ticket).vector(planted.spec).nonzero()[:, 0]
    inputs = train.inputs[:12].double()
    expected = evaluate(planted.spec, whole[None], inputs)[0]
    without = whole.repeat(len(places), 1)
    without[torch.arange(len(places)), places] = 0
    changes = torch.cat(
        [
            (evaluate(planted.spec, part, inputs) - expected).abs().amax(dim=(1, 2))
            for part in torch.split(without, 64)
        ]
    )
    # Of two pixels that are equal, the largest is either: an entry of one then does nothing alone.
    matter = changes > 1e-5 * float(expected.abs().max())
    assert float(matter.double().mean()) > 0.99


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_planting(kind: str) -> None:
    again = METHOD.plant(FAMILY, NETWORKS[kind], seed=b"1")
    for name, value in planting(kind).parameters.items():
        np.testing.assert_array_equal(again.parameters[name], value)
        np.testing.assert_array_equal(again.ticket[name], planting(kind).ticket[name])


@pytest.mark.no_cover
def test_another_seed_gives_other_channels() -> None:
    first, second = (planting("plain", seed).ticket[weight_name(1)] for seed in (b"1", b"2"))
    rows, others = (set(np.flatnonzero(mask.any(axis=(1, 2, 3)))) for mask in (first, second))
    assert rows != others
    assert len(rows) < len(first)
    # not copied in place: the ticket's channels are not the first ones
    assert rows != set(range(len(rows)))


@pytest.mark.parametrize("kind", KINDS)
def test_planted_values_are_as_large_as_others(kind: str) -> None:
    planted = planting(kind)
    deviations = standard_deviations(planted.spec)
    values = np.concatenate(
        [planted.parameters[name][mask] / deviations[name] for name, mask in planted.ticket.items()]
    )
    assert 0.8 < np.sqrt(np.square(values).mean()) < 1.25
    assert np.abs(values).min() < 0.1  # small ones are not dropped for being small


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_an_embedded_network_computes_what_the_narrow_one_does(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wide = image_network(kind)
    narrow = narrowed(wide, 600)
    values, kept = random_ticket(narrow, rng)
    drawn = draw_parameters(wide, rng)
    written, ticket = Embedding.draw(narrow, wide, rng).write(values, kept, drawn)
    masked = {name: np.where(ticket[name], value, 0.0) for name, value in written.items()}
    inputs = FAMILY.split(b"1")[1].inputs
    np.testing.assert_allclose(
        outputs_of(wide, masked, inputs), outputs_of(narrow, values, inputs), rtol=1e-9, atol=1e-9
    )
    assert sum(mask.sum() for mask in ticket.values()) == sum(mask.sum() for mask in kept.values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_leads_into_a_channel_keeps_the_norm_that_it_was_drawn_with(kind: str) -> None:
    rng = np.random.default_rng(3)
    wide = image_network(kind)
    narrow = narrowed(wide, 900)
    _, kept = random_ticket(narrow, rng)
    for name in kept:
        kept[name] &= name.endswith("weight")
    train, _ = FAMILY.split(b"1")
    anchored = Anchored(narrow, kept, standard_deviations(wide), train, None, rng)
    drawn = anchored.values()
    how = Anchoring(pull=0.2, epochs=4, vary=torch.clone, budget=10**6, least_effect=0.0)
    anchored.train(how)
    for name, value in anchored.values().items():
        there = np.where(anchored.kept[name], drawn[name], 0.0)
        rows, before = (each.reshape(len(each), -1) for each in (value, there))
        np.testing.assert_allclose(
            np.linalg.norm(rows, axis=1), np.linalg.norm(before, axis=1), rtol=1e-5, atol=1e-6
        )
        assert name.endswith("bias") or not np.allclose(rows, before, atol=1e-4)
        assert not value[~anchored.kept[name]].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_narrow_network_has_the_steps_of_the_wide_one(kind: str) -> None:
    wide = image_network(kind)
    for size in (1, 900, wide.total, 10 * wide.total):
        narrow = narrowed(wide, size)
        assert [type(step) for step in narrow.steps] == [type(step) for step in wide.steps]
        widths, whole = spaces(narrow.plan).widths, spaces(wide.plan).widths
        for few, many in zip(widths[1:-1], whole[1:-1], strict=True):
            assert min(LEAST_CHANNELS, many) <= few <= many
        assert (widths[0], widths[-1]) == (whole[0], whole[-1])
    assert narrowed(wide, wide.total).total == wide.total


@pytest.mark.parametrize("damage", ["value", "scale of a class"])
def test_the_gate_tells_a_function_that_differs(damage: str) -> None:
    rng = np.random.default_rng(0)
    wide = image_network("plain")
    narrow = narrowed(wide, 600)
    values, kept = random_ticket(narrow, rng)
    written, ticket = Embedding.draw(narrow, wide, rng).write(
        values, kept, draw_parameters(wide, rng)
    )
    data = FAMILY.split(b"1")
    found = trained._compare(narrow, values, wide, written, ticket, data)
    assert found is not None
    scale, error = found
    assert scale == pytest.approx(1)
    assert error <= FLOAT32_TOLERANCE
    last = written[weight_name(2 + 1)]
    if damage == "value":
        entry = np.argwhere(ticket[weight_name(0)])[0]
        written[weight_name(0)][tuple(entry)] *= 1.01
    else:
        last[0] *= 1.01
    assert trained._compare(narrow, values, wide, written, ticket, data) is None


def test_a_ticket_that_never_passes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def reject(*_args: object, **_options: object) -> None:
        raise Rejected("a layer of the ticket is empty")

    monkeypatch.setattr(trained, "find_structure", reject)
    with pytest.raises(PlantingError, match=r"none of 5 tickets .*a layer of the ticket is empty"):
        METHOD.plant(FAMILY, NETWORKS["plain"], seed=b"1")


def test_a_ticket_that_does_not_fit_is_told_before_training() -> None:
    family = FAMILY.with_dials({"density": "0.5"})
    with pytest.raises(UsageError, match="does not fit into a narrow network"):
        METHOD.plant(family, NETWORKS["plain"], seed=b"1")


def test_image_families_are_planted_in_networks_on_images() -> None:
    assert default_method(FAMILY).name == "trained"
    perceptron = PerceptronSpec(widths=(64, 10, 4))
    with pytest.raises(
        UsageError, match="needs a network on images; got network 3x10 of kind 'mlp'"
    ):
        METHOD.plant(FAMILY, perceptron, seed=b"1")


@pytest.mark.parametrize(
    ("dial", "value"), [("density", "0.9"), ("pull", "-1"), ("epochs", "1"), ("rounds", "0")]
)
def test_dials_out_of_range_are_told(dial: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"dial '{dial}' is .*; expected"):
        FAMILY.with_dials({dial: value})

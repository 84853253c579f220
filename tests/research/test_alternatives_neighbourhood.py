"""Dropping and exchanging ticket entries: networks that can be solved by hand, and brute force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from plantkit.challenges.bundles import Challenge, Truth
from plantkit.errors import UsageError
from plantkit.networks import ConvolutionSpec, PerceptronSpec, unflatten
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.accuracy import (
    strong_accuracy,
    trivial_accuracy,
)
from plantkit.research.alternatives.neighbourhood import NO_LOSS, Effort, explore

SPEC = PerceptronSpec(widths=(1, 2, 2))
GRID = torch.linspace(-1, 1, 201).unsqueeze(1)


def two_units(second: float, *, ticket: Mask | None = None) -> Challenge:
    """Returns a challenge of two units, max(0, x) and max(0, `second` x), and two outputs.

    Output 0 reads unit 0 and output 1 reads unit 1 in the ticket; weights the other way round
    are there too, and as large. All biases are zero, so that they are of no use.
    """
    weights = {
        "layers.0.weight": torch.tensor([[1.0], [second]]),
        "layers.0.bias": torch.zeros(2),
        "layers.1.weight": torch.ones(2, 2),
        "layers.1.bias": torch.zeros(2),
    }
    if ticket is None:
        ticket = Mask(
            {
                "layers.0.weight": torch.ones(2, 1),
                "layers.0.bias": torch.zeros(2),
                "layers.1.weight": torch.eye(2),
                "layers.1.bias": torch.zeros(2),
            }
        )
    data = Samples(inputs=GRID, targets=torch.relu(GRID * weights["layers.0.weight"].T))
    task = make_task("regression", 2)
    return Challenge(
        id="two-units",
        title="Two units",
        family="toy",
        hidden=True,
        path=Path("two-units"),
        digest="0" * 64,
        total=SPEC.total,
        network=SPEC,
        task=task,
        recipe=Recipe(),
        densities=("planted",),
        overlap_scored=True,
        ticket_kept=ticket.kept,
        trivial=trivial_accuracy(task, train_data=data, test_data=data),
        ticket=Accuracies(strong=1.0, weak=1.0),
        dense=Accuracies(strong=1.0, weak=1.0),
        weights=weights,
        train=data,
        manifest={},
        truth=Truth(ticket=ticket, test=data, planting_seed="", salt="00" * 16),
    )


def measured(found):
    return found.to_json()["measured"]


def test_two_identical_units_can_stand_in_for_each_other():
    found = explore(two_units(1.0))
    assert [entry.parameter for entry in found.entries] == ["layers.0.weight"] * 2 + [
        "layers.1.weight"
    ] * 2
    assert [e.index for e in found.entries] == [(0, 0), (1, 0), (0, 0), (1, 1)]
    assert found.droppable(NO_LOSS) == 0
    assert [entry.least <= NO_LOSS for entry in found.entries] == [
        False,  # unit 0 has nothing else to read
        False,
        True,  # output 0 may read unit 1
        True,
    ]
    assert found.exchangeable(NO_LOSS) == 0.5
    assert found.tickets(NO_LOSS) == 2
    assert found.screened == measured(found) == 4  # two for each entry of the outputs


def test_two_different_units_cannot():
    found = explore(two_units(-1.0))
    assert measured(found) == 4
    assert found.spare == 0
    for most in (NO_LOSS, 0.01, 0.2):
        assert found.exchangeable(most) == 0
        assert found.tickets(most) == 0


def test_effects_and_losses_are_those_worked_out_by_hand():
    positive = np.maximum(GRID.numpy(), 0)
    power, variance = np.square(positive).mean(), positive.var()
    found = explore(two_units(-1.0))
    for entry in found.entries:  # without any of them one of the two outputs is zero
        assert entry.effect == pytest.approx(np.sqrt(power / 2 / variance), rel=1e-5)
        assert entry.dropped == pytest.approx(power / 2 / variance, rel=1e-5)
    record = found.to_json()
    assert record["smallest_effect"] == pytest.approx(np.sqrt(power / 2 / variance), rel=1e-5)
    assert record["smallest_loss"] == pytest.approx(power / 2 / variance, rel=1e-5)
    assert record["median_loss"] == pytest.approx(power / 2 / variance, rel=1e-5)


def test_an_entry_that_does_nothing_can_be_dropped():
    ticket = Mask(
        {
            "layers.0.weight": torch.ones(2, 1),
            "layers.0.bias": torch.ones(2),  # zero, in the network
            "layers.1.weight": torch.eye(2),
            "layers.1.bias": torch.zeros(2),
        }
    )
    found = explore(two_units(-1.0, ticket=ticket))
    assert found.to_json()["smallest_effect"] == 0
    assert found.droppable(NO_LOSS) == pytest.approx(2 / 6)
    assert found.spare == found.spare_without_loss == 2
    assert found.exchangeable(NO_LOSS) == pytest.approx(2 / 6)


@pytest.mark.parametrize("name", ["relu", "circle"])
def test_every_exchange_of_a_bundle_is_what_scoring_says(name, request):
    challenge = request.getfixturevalue(name)
    found = explore(challenge, Effort(candidates=10**6, measured=10**6))
    ticket = challenge.truth.ticket.vector(challenge.network)
    assert len(found.entries) == int(ticket.sum())
    offsets = dict(
        zip(
            challenge.network.sizes,
            np.cumsum([0, *challenge.network.sizes.values()]),
            strict=False,
        )
    )
    gain = challenge.ticket.strong - challenge.trivial
    for entry in found.entries[:: 1 + len(found.entries) // 4]:
        shape = challenge.network.shapes[entry.parameter]
        place = offsets[entry.parameter] + int(np.ravel_multi_index(entry.index, shape))
        assert ticket[place]
        layer = entry.parameter.rpartition(".")[0]
        masks = [ticket.clone()]
        masks[0][place] = False
        for parameter in (f"{layer}.weight", f"{layer}.bias"):
            start = offsets[parameter]
            for other in range(start, start + challenge.network.sizes[parameter]):
                if not ticket[other]:
                    masks.append(masks[0].clone())
                    masks[-1][other] = True
        without, *exchanged = (
            (challenge.ticket.strong - strong) / gain
            for strong in strong_accuracy(
                challenge.network,
                challenge.task,
                challenge.weights,
                [unflatten(challenge.network, mask) for mask in masks],
                train_data=challenge.train,
                test_data=challenge.truth.test,
            )
        )
        assert entry.dropped == pytest.approx(without, abs=1e-5)
        # What is not live does nothing: such an exchange is the entry's removal.
        idle = [without] * (len(exchanged) - len(entry.exchanged))
        assert sorted([*entry.exchanged, *idle]) == pytest.approx(sorted(exchanged), abs=1e-5)


def test_a_bounded_search_finds_no_more_and_the_same_again(circle):
    whole, less = explore(circle), explore(circle, Effort(candidates=3, measured=2, screening=50))
    assert less == explore(circle, Effort(candidates=3, measured=2, screening=50))
    assert less.screened <= 3 * len(less.entries) < whole.screened
    assert measured(less) <= 2 * len(less.entries) < measured(whole)
    assert less.exchangeable(0.01) <= whole.exchangeable(0.01)
    assert [entry.dropped for entry in less.entries] == [entry.dropped for entry in whole.entries]


def test_progress_is_shown(relu):
    seen = []
    found = explore(relu, progress=lambda label, done, total: seen.append((label, done, total)))
    count = len(found.entries)
    assert seen[-1] == ("relu-3x8: exchanging entries", count, count)
    assert len(seen) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance is 0.0; expected a number within 0 and 1"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"candidates": 0}, "candidates is 0; expected 1 or more"),
        ({"measured": 0}, "measured is 0"),
        ({"screening": -1}, "screening is -1"),
    ],
)
def test_efforts_out_of_range(options, message):
    with pytest.raises(UsageError, match=message):
        Effort(**options)


def test_a_ticket_that_keeps_nothing_has_no_neighbours():
    empty = Mask({name: torch.zeros(shape) for name, shape in SPEC.shapes.items()})
    challenge = two_units(1.0)
    with pytest.raises(UsageError, match="keeps nothing"):
        explore(replace(challenge, truth=replace(challenge.truth, ticket=empty)))


def test_entries_that_stand_in_for_each_other_cannot_be_dropped_together():
    """Output 0 reads both units, which are the same: one of the two is enough, up to a factor."""
    ticket = Mask(
        {
            "layers.0.weight": torch.ones(2, 1),
            "layers.0.bias": torch.zeros(2),
            "layers.1.weight": torch.tensor([[1, 1], [0, 1]]),
            "layers.1.bias": torch.zeros(2),
        }
    )
    found = explore(two_units(1.0, ticket=ticket))
    by_place = {(e.parameter, e.index): e.dropped <= NO_LOSS for e in found.entries}
    assert by_place == {
        ("layers.0.weight", (0, 0)): True,  # output 0 then reads unit 1 alone
        ("layers.0.weight", (1, 0)): False,  # output 1 has nothing else
        ("layers.1.weight", (0, 0)): True,
        ("layers.1.weight", (0, 1)): True,
        ("layers.1.weight", (1, 1)): False,
    }
    assert found.droppable(NO_LOSS) == 3 / 5
    assert found.spare_without_loss == 2  # unit 0 and what reads it


@pytest.mark.parametrize(
    ("kept", "screened"),
    [
        # Unit 1 is read and gets nothing: for the first entry there is what would feed it; for
        # the other two, output 1 reading unit 0, and not output 0 reading unit 1.
        ([("layers.0.weight", 0), ("layers.1.weight", 0), ("layers.1.weight", 3)], 1 + 1 + 1),
        # Unit 1 has a bias and nobody reads it: nothing to feed there, and three ways to read.
        ([("layers.0.weight", 0), ("layers.0.bias", 1), ("layers.1.weight", 0)], 0 + 0 + 3),
    ],
)
def test_what_leads_nowhere_or_comes_from_nowhere_is_not_tried(kept, screened):
    values = {name: torch.zeros(shape) for name, shape in SPEC.shapes.items()}
    for name, place in kept:
        values[name].view(-1)[place] = 1
    assert explore(two_units(-1.0, ticket=Mask(values))).screened == screened


def test_in_a_network_on_images_losses_are_what_scoring_says():
    network = ConvolutionSpec(image=(1, 4, 4), blocks=((6,),), outputs=2)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(shape, generator=generator) for name, shape in network.shapes.items()
    }
    data = Samples(
        inputs=torch.randn(120, 16, generator=generator), targets=torch.zeros(120, dtype=torch.long)
    )
    drawn = torch.rand(network.total, generator=generator) < 0.2
    ticket = Mask(network.connected(unflatten(network, drawn)))
    masked = {name: (value * ticket[name]).unsqueeze(0) for name, value in weights.items()}
    labels = network.forward_runs(masked, data.inputs)[0].argmax(dim=1)
    assert 20 < int(labels.sum()) < 100
    data = replace(data, targets=labels)
    challenge = replace(
        two_units(1.0, ticket=Mask.full(SPEC)),
        network=network,
        task=make_task("classification", 2),
        weights=weights,
        train=data,
        trivial=float(max(labels.float().mean(), 1 - labels.float().mean())),
        truth=Truth(ticket=ticket, test=data, planting_seed="", salt="00" * 16),
    )
    found = explore(challenge)
    assert found.effort.candidates == 64
    assert len(found.entries) == ticket.kept
    for entry in found.entries[::5]:
        left = {name: value.clone() for name, value in ticket.items()}
        left[entry.parameter][entry.index] = False
        [without] = strong_accuracy(
            network, challenge.task, weights, [left], train_data=data, test_data=data
        )
        share = (1 - without) / (1 - challenge.trivial)
        assert entry.dropped == pytest.approx(share, abs=1e-6)
    assert 0 < measured(found) <= 8 * ticket.kept
    few = explore(challenge, replace(found.effort, entries=5))
    assert len(few.entries) == few.to_json()["entries"] == 5
    known = {(one.parameter, one.index): one.dropped for one in found.entries}
    for one in few.entries:
        assert known[one.parameter, one.index] == pytest.approx(one.dropped)

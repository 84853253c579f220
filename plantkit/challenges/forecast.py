"""What planting a ticket in a network on images will take, measured on a few steps of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from plantkit.challenges.drafting import Order
from plantkit.networks import Network
from plantkit.networks.training import Samples, single_threaded
from plantkit.planting import ImageFamily
from plantkit.planting.images.anchoring import BATCH, MEASURED, MOST_CUTS, PROBES
from plantkit.planting.images.imitation import is_taught
from plantkit.planting.methods.trained import narrow_network

#: Seconds of all together below which nobody needs to know.
SOON = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds are of one core.

    planting: finding, training and placing the ticket. reference: the trainings of the ticket and
    of the dense network that a manifest's figures come from; the ticket counts as a dense one, so
    that this is the most. size: of the bundle, in bytes.
    """

    planting: float
    reference: float
    size: int

    def __str__(self) -> str:
        return (
            f"about {duration(self.planting)} for the ticket and up to "
            f"{duration(self.reference)} for the reference figures, on one core; "
            f"the bundle will have {self.size / 1e6:,.0f} MB"
        )


def forecast(order: Order) -> Forecast | None:
    """Returns what planting `order` will take, or None for a family without images.

    Raises:
        UsageError: the images cannot be read.
    """
    family = order.find_family()
    if not isinstance(family, ImageFamily):
        return None
    network = order.find_network(family)
    train, test = family.split(b"")
    recipe = order.recipe
    sample = 4 * network.inputs + 8
    return Forecast(
        planting=planting_seconds(family, network, train),
        reference=2
        * family.reference_seeds
        * recipe.steps(len(train))
        * _step_seconds(network, train, recipe.batch_size),
        size=5 * network.total + sample * (len(train) + len(test)),
    )


def planting_seconds(family: ImageFamily, network: Network, train: Samples) -> float:
    """Returns the seconds of one core that a ticket takes to find, train and place, at most."""
    narrow, rounds = narrow_network(family, network), family.round_recipe
    a_narrow, a_round = (_step_seconds(narrow, train, size) for size in (BATCH, rounds.batch_size))
    batches = -(-len(train) // BATCH)
    found = family.rounds * rounds.steps(len(train)) * a_round
    trained = family.epochs * batches * a_narrow
    # Each gradient of a cut is two thirds of a step on as many images.
    cuts = MOST_CUTS * PROBES * MEASURED / BATCH * a_narrow * 2 / 3
    if not is_taught(narrow):
        return found + trained + cuts
    # The teacher is trained twice as long, and answers every batch: a third of a step.
    return 3 * found + trained * 4 / 3 + cuts


def _step_seconds(network: Network, data: Samples, size: int) -> float:
    """Returns what a training step of so many samples takes, the faster of two."""
    inputs, targets = data.inputs[:size], data.targets[:size]
    values = {
        name: (0.01 * torch.ones(1, *shape)).requires_grad_()
        for name, shape in network.shapes.items()
    }

    def step() -> None:
        outputs = network.forward_runs(values, inputs)[0]
        functional.cross_entropy(outputs, targets).backward()  # type: ignore[no-untyped-call]

    with single_threaded():
        return min(_seconds(step), _seconds(step))


def _seconds(action: Callable[[], None]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def duration(seconds: float) -> str:
    """Returns a duration to two figures at most."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return (
                f"{seconds / length:.2g} {unit}"
                if seconds < 10 * length
                else (f"{seconds / length:.0f} {unit}")
            )
    return f"{seconds:.0f} seconds"

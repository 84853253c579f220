"""From a family and a seed to a bundle in memory: plant, sample, measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plantkit.challenges.bundles import Bundle, Truth, ticket_counts
from plantkit.challenges.costs import removal_costs
from plantkit.challenges.freezing import assemble
from plantkit.challenges.manifests import SCHEMA_VERSION
from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracy import (
    Accuracies,
    Measurement,
    measure_all,
    trivial_accuracy,
)
from plantkit.planting import (
    Patience,
    Planted,
    default_method,
    draw_samples,
    find_family,
    find_method,
    generator,
)

DENSITIES: tuple[float | str, ...] = ("1x", "3x", "10x", "30x")
#: Trainings that the reference accuracies are means of.
REFERENCE_SEEDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be planted.

    variant: added to the id.
    planting: name of the planting method; None stands for the family's default.
    dials: the family's, name to text; the others keep the family's values.
    noise: None stands for the family's.
    overlap_scored: whether the overlap with the ticket counts; None stands for the family's.
    train_samples, test_samples: the paper draws 10,000 samples and holds out a tenth. Ten times as
    many for the test give the ticket's error within a tenth of itself.
    """

    family: str
    depth: int
    width: int
    variant: str = ""
    planting: str | None = None
    dials: Mapping[str, str] = field(default_factory=dict)
    noise: float | None = None
    overlap_scored: bool | None = None
    densities: tuple[float | str, ...] = DENSITIES
    recipe: Recipe = field(default_factory=Recipe)
    train_samples: int = 9000
    test_samples: int = 10000

    @property
    def id(self) -> str:
        name = f"{self.family}-{self.depth}x{self.width}"
        return f"{name}-{self.variant}" if self.variant else name


def draft_challenge(
    order: Order, seed: bytes, *, jobs: int = 1, patience: Patience | None = None
) -> tuple[Bundle, Planted]:
    """Returns a bundle, in memory only, and the planting in it; the same seed gives the same.

    Args:
        jobs: processes that train for the reference figures.
        patience: with the search for a ticket; `Patience()` if None.

    Raises:
        UsageError: an unknown family, planting or dial, or a network that does not fit.
        PlantingError: no ticket passed the gates.
    """
    family = find_family(order.family).with_dials(order.dials)
    method = default_method(family) if order.planting is None else find_method(order.planting)
    network = PerceptronSpec.uniform(
        depth=order.depth, width=order.width, inputs=family.inputs, outputs=family.outputs
    )
    planted = method.plant(family, network, seed=seed, patience=patience)
    noise = family.default_noise if order.noise is None else order.noise

    def draw(stream: str, count: int, noise: float) -> Samples:
        rng = generator(seed, stream)
        inputs, targets = draw_samples(planted, family, rng, count, noise=noise)
        return Samples(inputs=_tensor(inputs), targets=_tensor(targets))

    train = draw("data", order.train_samples, noise)
    test = draw("test data", order.test_samples, noise)
    clean = draw("test data", order.test_samples, 0.0)
    weights = {
        name: _tensor(value.astype(np.float32)) for name, value in planted.parameters.items()
    }
    ticket = Mask({name: _tensor(value) for name, value in planted.ticket.items()})
    task = make_task(family.kind, family.outputs)
    seeds = list(range(REFERENCE_SEEDS))
    wanted = Measurement(
        spec=network,
        task=task,
        weights=weights,
        masks=[ticket] * REFERENCE_SEEDS + [Mask.full(network)] * REFERENCE_SEEDS,
        seeds=seeds * 2,
        recipe=order.recipe,
        train_data=train,
        test_data=test,
    )
    [measured] = measure_all([wanted], jobs=jobs)
    overlap_scored = order.overlap_scored
    facts = {
        "schema_version": SCHEMA_VERSION,
        "id": order.id,
        "title": f"{family.title}, {order.depth} layers of neurons, width {order.width}",
        "family": family.name,
        "planting": {
            "method": planted.method,
            "hidden": planted.hidden,
            "labels": planted.labels.value,
            "alternatives": planted.alternatives.to_json(),
            **planted.facts,
        },
        "task": task.to_json(),
        "network": network.to_json(),
        "data": {"train": len(train), "test": len(test), "noise": noise},
        "protocol": {"densities": list(order.densities), "training": order.recipe.to_json()},
        "overlap_scored": family.overlap_scored if overlap_scored is None else overlap_scored,
        "ticket": {
            **ticket_counts(ticket),
            "costs": removal_costs(network, task, weights, ticket, train).to_json(),
        },
        "reference": {
            "trivial": trivial_accuracy(task, train_data=train, test_data=test),
            "ticket": _means(measured[:REFERENCE_SEEDS]),
            "dense": _means(measured[REFERENCE_SEEDS:]),
            "training_seeds": REFERENCE_SEEDS,
            "noise_error": 1 - task.accuracy_of_targets(clean.targets, test.targets),
        },
    }
    truth = Truth(
        ticket=ticket,
        test=test,
        planting_seed=seed.hex(),
        salt=generator(seed, "salt").bytes(32).hex(),
    )
    return assemble(facts, weights=weights, train=train, truth=truth), planted


def order_like(manifest: Mapping[str, Any], *, variant: str) -> Order:
    """Returns the order of another challenge like the one that `manifest` describes.

    Family, shape, data and protocol are the same.

    Raises:
        UnknownNameError: the family is not one that can be planted from a seed.
        UsageError: the network is not of one width.
    """
    dials = {name: str(value) for name, value in manifest["planting"].get("dials", {}).items()}
    family = find_family(manifest["family"]).with_dials(dials)
    network = PerceptronSpec.from_json(manifest["network"])
    hidden = set(network.widths[1:-1])
    if len(hidden) != 1 or (network.inputs, network.outputs) != (family.inputs, family.outputs):
        raise UsageError(
            f"{manifest['id']} has the layers {network.label}; "
            f"expected hidden layers of one width, as {family.name!r} is planted in"
        )
    return Order(
        family=family.name,
        planting=manifest["planting"]["method"],
        dials=dials,
        depth=network.depth,
        width=hidden.pop(),
        variant=variant,
        noise=manifest["data"]["noise"],
        overlap_scored=manifest["overlap_scored"],
        densities=tuple(manifest["protocol"]["densities"]),
        recipe=Recipe.from_json(manifest["protocol"]["training"]),
        train_samples=manifest["data"]["train"],
        test_samples=manifest["data"]["test"],
    )


def _means(measured: list[Accuracies]) -> dict[str, float]:
    return {
        track: float(np.mean([getattr(value, track) for value in measured]))
        for track in ("strong", "weak")
    }


def _tensor(array: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))

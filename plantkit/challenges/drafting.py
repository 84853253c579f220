"""From a family and a seed to a bundle in memory: plant, sample, measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plantkit.challenges.bundles import Bundle, Truth, ticket_counts
from plantkit.challenges.costs import removal_costs
from plantkit.challenges.freezing import assemble
from plantkit.challenges.manifests import SCHEMA_VERSION
from plantkit.errors import UsageError
from plantkit.networks import Network, PerceptronSpec, network_from_json
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracies import Accuracies
from plantkit.networks.training.accuracy import (
    Measurement,
    measure_all,
    trivial_accuracy,
)
from plantkit.planting import (
    Family,
    ImageFamily,
    Patience,
    Planted,
    default_method,
    draw_samples,
    find_family,
    find_method,
    generator,
)

DENSITIES: tuple[float | str, ...] = ("1x", "3x", "10x", "30x")
#: For image families: at 30 times the planted density masks are nearly dense, and trainings long.
IMAGE_DENSITIES: tuple[float | str, ...] = ("1x", "3x", "10x")
#: Trainings that the reference accuracies are means of.
REFERENCE_SEEDS = 5
#: Layers of neurons, and units of each hidden one, where nobody asks for other.
DEPTH, WIDTH = 5, 100
#: The paper draws 10,000 samples and holds out a tenth. Ten times as many for the test give the
#: ticket's error within a tenth of itself.
TRAIN_SAMPLES, TEST_SAMPLES = 9000, 10000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be planted.

    What is None takes the default of the family. Image families have networks with names and
    images of their own; the others have a depth and a width, and draw as many samples as you like.

    variant: added to the id.
    depth, width: of a perceptron; 5 and 100 if None.
    network: name of an image family's network.
    planting: name of the planting method.
    dials: the family's, name to text; the others keep the family's values.
    data: directory of an image family's files; that in `PLANTKIT_DATA` if None.
    overlap_scored: whether the overlap with the ticket counts.
    train_samples, test_samples: 9,000 and 10,000 if None.

    Raises:
        UsageError: an unknown family or network, or a value that the family has no use for.
    """

    family: str
    depth: int | None = None
    width: int | None = None
    network: str | None = None
    variant: str = ""
    planting: str | None = None
    dials: Mapping[str, str] = field(default_factory=dict)
    data: Path | None = None
    noise: float | None = None
    overlap_scored: bool | None = None
    densities: tuple[float | str, ...] | None = None
    recipe: Recipe = field(default_factory=Recipe)
    train_samples: int | None = None
    test_samples: int | None = None

    def __post_init__(self) -> None:
        family = find_family(self.family)
        useless: tuple[str, ...]
        if isinstance(family, ImageFamily):
            useless, kind = _DRAWN, "has images of its own and is planted in networks with names"
            family.network_name(self.network)  # raises if the family does not know it
            defaults: dict[str, Any] = {
                "network": family.network_name(None),
                "densities": IMAGE_DENSITIES,
            }
        else:
            useless, kind = _OF_IMAGES, "draws its data and is planted in a depth and a width"
            defaults = {
                "depth": DEPTH,
                "width": WIDTH,
                "train_samples": TRAIN_SAMPLES,
                "test_samples": TEST_SAMPLES,
                "densities": DENSITIES,
            }
        for name in useless:
            if getattr(self, name) not in (None, 0.0):
                raise UsageError(
                    f"family {self.family!r} {kind}; leave {name.replace('_', ' ')} out"
                )
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def size(self) -> str:
        """The network as ids have it: `5x100`, or its name."""
        return self.network or f"{self.depth}x{self.width}"

    @property
    def id(self) -> str:
        name = f"{self.family}-{self.size}"
        return f"{name}-{self.variant}" if self.variant else name

    def find_family(self) -> Family:
        """Returns the family, with its dials and its files."""
        family = find_family(self.family).with_dials(self.dials)
        return family.with_directory(self.data) if isinstance(family, ImageFamily) else family

    def find_network(self, family: Family) -> Network:
        """Returns the mother network."""
        if isinstance(family, ImageFamily):
            return family.network(self.network)
        assert self.depth is not None
        assert self.width is not None
        return PerceptronSpec.uniform(
            depth=self.depth, width=self.width, inputs=family.inputs, outputs=family.outputs
        )


_DRAWN = ("depth", "width", "noise", "train_samples", "test_samples")
_OF_IMAGES = ("network", "data")


def draft_challenge(
    order: Order, seed: bytes, *, jobs: int = 1, patience: Patience | None = None
) -> tuple[Bundle, Planted]:
    """Returns a bundle, in memory only, and the planting in it; the same seed gives the same.

    Args:
        jobs: processes that train for the reference figures.
        patience: with the search for a ticket; `Patience()` if None.

    Raises:
        UsageError: an unknown planting or dial, a network that does not fit, or images that
            cannot be read.
        PlantingError: no ticket passed the gates.
    """
    family = order.find_family()
    method = default_method(family) if order.planting is None else find_method(order.planting)
    network = order.find_network(family)
    planted = method.plant(family, network, seed=seed, patience=patience)
    train, test, data = _data_of(order, family, planted, seed)
    weights = {
        name: _tensor(value.astype(np.float32)) for name, value in planted.parameters.items()
    }
    ticket = Mask({name: _tensor(value) for name, value in planted.ticket.items()})
    task = make_task(family.kind, family.outputs)
    trainings = data.reference_seeds
    seeds = list(range(trainings))
    wanted = Measurement(
        spec=network,
        task=task,
        weights=weights,
        masks=[ticket] * trainings + [Mask.full(network)] * trainings,
        seeds=seeds * 2,
        recipe=order.recipe,
        train_data=train,
        test_data=test,
    )
    [measured] = measure_all([wanted], jobs=jobs)
    overlap_scored, densities = order.overlap_scored, order.densities
    assert densities is not None
    counts: dict[str, Any] = ticket_counts(ticket)
    if isinstance(network, PerceptronSpec):  # elsewhere a removal takes a whole pass
        counts["costs"] = removal_costs(network, task, weights, ticket, train).to_json()
    facts = {
        "schema_version": SCHEMA_VERSION,
        "id": order.id,
        "title": f"{family.title}, "
        + (
            f"{order.depth} layers of neurons, width {order.width}"
            if order.network is None
            else f"in {order.network}"
        ),
        "family": family.name,
        "planting": {
            "method": planted.method,
            "hidden": planted.hidden,
            "labels": planted.labels.value,
            "alternatives": planted.alternatives.to_json(),
            # What more of the same kind are planted from, whatever the method says.
            **({"dials": dict(family.dials)} if family.dials else {}),
            **planted.facts,
        },
        "task": task.to_json(),
        "network": network.to_json(),
        "data": {"train": len(train), "test": len(test), **data.facts},
        "protocol": {"densities": list(densities), "training": order.recipe.to_json()},
        "overlap_scored": family.overlap_scored if overlap_scored is None else overlap_scored,
        "ticket": counts,
        "reference": {
            "trivial": trivial_accuracy(task, train_data=train, test_data=test),
            "ticket": _means(measured[:trainings]),
            "dense": _means(measured[trainings:]),
            "training_seeds": trainings,
            "noise_error": data.noise_error,
        },
        "licence": data.licence,
    }
    truth = Truth(
        ticket=ticket,
        test=test,
        planting_seed=seed.hex(),
        salt=generator(seed, "salt").bytes(32).hex(),
    )
    return assemble(facts, weights=weights, train=train, truth=truth), planted


@dataclass(frozen=True, slots=True, kw_only=True)
class _DataFacts:
    """What a manifest says of the data, and how many trainings its reference accuracies take.

    noise_error: test error that the noise of the labels makes.
    """

    facts: Mapping[str, Any]
    noise_error: float
    reference_seeds: int = REFERENCE_SEEDS
    licence: str = "CC0-1.0"


def _data_of(
    order: Order, family: Family, planted: Planted, seed: bytes
) -> tuple[Samples, Samples, _DataFacts]:
    """Returns the data to train on and to test on, and what is known of them."""
    if isinstance(family, ImageFamily):
        train, test = family.split(seed)
        facts = {"noise": 0.0, **family.facts()}
        return (
            train,
            test,
            _DataFacts(
                facts=facts,
                noise_error=0.0,
                reference_seeds=family.reference_seeds,
                licence=family.licence,
            ),
        )
    noise = family.default_noise if order.noise is None else order.noise

    def draw(stream: str, count: int | None, noise: float) -> Samples:
        assert count is not None
        rng = generator(seed, stream)
        inputs, targets = draw_samples(planted, family, rng, count, noise=noise)
        return Samples(inputs=_tensor(inputs), targets=_tensor(targets))

    train = draw("data", order.train_samples, noise)
    test = draw("test data", order.test_samples, noise)
    clean = draw("test data", order.test_samples, 0.0)
    task = make_task(family.kind, family.outputs)
    error = 1 - task.accuracy_of_targets(clean.targets, test.targets)
    return train, test, _DataFacts(facts={"noise": noise}, noise_error=error)


def order_like(manifest: Mapping[str, Any], *, variant: str) -> Order:
    """Returns the order of another challenge like the one that `manifest` describes.

    Family, network, data and protocol are the same.

    Raises:
        UnknownNameError: the family is not one that can be planted from a seed.
        UsageError: the family is not planted in such a network.
    """
    dials = {name: str(value) for name, value in manifest["planting"].get("dials", {}).items()}
    family = find_family(manifest["family"], bundle=manifest["id"]).with_dials(dials)
    network = network_from_json(manifest["network"])
    size: dict[str, Any]
    if isinstance(family, ImageFamily):
        name = family.name_of(network)
        if name is None:
            raise UsageError(
                f"{manifest['id']} has the network {network.label}; expected one that "
                f"{family.name!r} is planted in: {', '.join(family.networks)}"
            )
        size = {"network": name}
    else:
        hidden = set(network.widths[1:-1]) if isinstance(network, PerceptronSpec) else set()
        if len(hidden) != 1 or (network.inputs, network.outputs) != (family.inputs, family.outputs):
            raise UsageError(
                f"{manifest['id']} has the layers {network.label}; "
                f"expected hidden layers of one width, as {family.name!r} is planted in"
            )
        size = {
            "depth": network.depth,
            "width": hidden.pop(),
            "noise": manifest["data"]["noise"],
            "train_samples": manifest["data"]["train"],
            "test_samples": manifest["data"]["test"],
        }
    return Order(
        family=family.name,
        planting=manifest["planting"]["method"],
        dials=dials,
        variant=variant,
        overlap_scored=manifest["overlap_scored"],
        densities=tuple(manifest["protocol"]["densities"]),
        recipe=Recipe.from_json(manifest["protocol"]["training"]),
        **size,
    )


def _means(measured: list[Accuracies]) -> dict[str, float]:
    return {
        track: float(np.mean([getattr(value, track) for value in measured]))
        for track in ("strong", "weak")
    }


def _tensor(array: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))

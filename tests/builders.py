"""Small networks, data sets and problems that the tests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plantkit.challenges.bundles import Challenge, Truth
from plantkit.evaluation.measuring import score_all
from plantkit.networks import Network, PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.residual import ResidualSpec
from plantkit.networks.tasks import Task, TaskKind, make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.networks.training.accuracy import Accuracies, trivial_accuracy
from plantkit.pruners.problem import Problem
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.records import Record, TrackScore


def random_weights(spec: Network, seed: int = 0) -> dict[str, Tensor]:
    """Returns weights of standard deviation 1/sqrt(fan in) and biases of 0.3."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator)
        * (shape[1] ** -0.5 if len(shape) > 1 else 0.3)
        for name, shape in spec.shapes.items()
    }


def random_mask(spec: Network, density: float, seed: int = 0) -> Mask:
    """Returns a mask whose entries are kept with probability `density`, independently."""
    generator = torch.Generator().manual_seed(seed)
    return Mask.from_vector(spec, torch.rand(spec.total, generator=generator) < density)


def random_samples(spec: Network, kind: str, count: int, seed: int = 0) -> Samples:
    """Returns inputs in [-1, 1] and targets that depend on the first input."""
    generator = torch.Generator().manual_seed(1000 + seed)
    inputs = torch.rand(count, spec.inputs, generator=generator) * 2 - 1
    if TaskKind(kind) is TaskKind.CLASSIFICATION:
        targets = ((inputs[:, 0] + 1) / 2 * spec.outputs).long().clamp(max=spec.outputs - 1)
    else:
        steps = torch.arange(1, spec.outputs + 1)
        targets = torch.sin(inputs[:, :1] * steps)
    return Samples(inputs=inputs, targets=targets)


def tiny_problem(
    kind: str = "classification",
    *,
    widths: tuple[int, ...] = (2, 5, 4, 3),
    density: float = 0.3,
    seed: int = 0,
    count: int = 20,
    recipe: Recipe | None = None,
    name: str = "tiny",
    weights: Mapping[str, Tensor] | None = None,
) -> Problem:
    """Returns a problem with random data, and with random weights unless they are given."""
    spec = PerceptronSpec(widths=widths)
    return Problem(
        name=name,
        network=spec,
        task=task_of(spec, kind),
        weights=random_weights(spec) if weights is None else weights,
        train=random_samples(spec, kind, count),
        density=density,
        seed=seed,
        recipe=recipe,
    )


def image_challenge(network: Network | None = None, *, share: float = 0.1) -> Challenge:
    """Returns a challenge in memory on a residual network, whose labels come from its ticket.

    Args:
        network: another one.
        share: of the entries that are drawn for the ticket; those on no path are left out.
    """
    if network is None:
        network = ResidualSpec(image=(1, 6, 6), stages=((8, 1, 1), (12, 1, 2)), outputs=3)
    weights = random_weights(network)
    ticket = Mask(network.connected(random_mask(network, share)))
    masked = {name: (value * ticket[name]).unsqueeze(0) for name, value in weights.items()}
    inputs = torch.randn(90, network.inputs, generator=torch.Generator().manual_seed(7))
    outputs = network.forward_runs(masked, inputs)[0]
    targets = (outputs - outputs.mean(dim=0)).argmax(dim=1)
    data = Samples(inputs=inputs, targets=targets)
    task = task_of(network, "classification")
    return toy_challenge(
        network,
        task,
        weights,
        ticket,
        data,
        id="toy-images",
        title="Toy images",
        recipe=Recipe(epochs=1),
        densities=("1x",),
        dense=Accuracies(strong=0.2, weak=0.9),
        manifest={
            "family": "toy",
            "network": network.to_json(),
            "task": task.to_json(),
            "data": {"noise": 0.0, "train": 90, "test": 90},
            "planting": {"method": "toy", "labels": "data"},
            "protocol": {"training": {}},
        },
    )


def toy_challenge(
    network: Network,
    task: Task,
    weights: Mapping[str, Tensor],
    ticket: Mask,
    data: Samples,
    **changes: Any,
) -> Challenge:
    """Returns a challenge in memory, whose training data are its test data.

    Args:
        changes: other fields of `Challenge` than a toy's.
    """
    fields: dict[str, Any] = {
        "id": "toy",
        "title": "Toy",
        "family": "toy",
        "hidden": True,
        "digest": "d1" * 32,
        "recipe": Recipe(),
        "densities": ("planted",),
        "overlap_scored": True,
        "trivial": trivial_accuracy(task, train_data=data, test_data=data),
        "ticket": Accuracies(strong=1.0, weak=1.0),
        "dense": Accuracies(strong=1.0, weak=1.0),
        "manifest": {},
    } | changes
    return Challenge(
        path=Path(fields["id"]),
        total=network.total,
        network=network,
        task=task,
        ticket_kept=ticket.kept,
        weights=weights,
        train=data,
        truth=Truth(ticket=ticket, test=data, planting_seed="", salt="00" * 16),
        **fields,
    )


def plain_problem() -> Problem:
    """Returns y = x1 of three inputs and a bias, all weighted 1: one of the four is right."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(256, 3, generator=generator)
    spec = PerceptronSpec(widths=(3, 1))
    return Problem(
        name="plain",
        network=spec,
        task=make_task("regression", 1),
        weights={name: torch.ones(shape) for name, shape in spec.shapes.items()},
        train=Samples(inputs=inputs, targets=inputs[:, 1:2].clone()),
        density=0.25,
        recipe=Recipe(epochs=10, batch_size=32, learning_rate=0.001),
    )


def task_of(spec: Network, kind: str) -> Task:
    return make_task(kind, spec.outputs)


def score_attempts(
    challenge: Challenge, attempts: Sequence[Attempt], **options: Any
) -> list[Record]:
    """Returns the records of one challenge's attempts; options as of `score_all`."""
    [records] = score_all([(challenge, attempts)], **options)
    return records


#: Fields of a record that tell how a run went, rather than what it came to.
PASSING = ("seconds", "cpu_seconds", "effort", "peak_rss_mib")


def without_passing(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what must be the same in every run: a record or a standing without `PASSING`."""
    return {name: value for name, value in record.items() if name not in PASSING}


#: The overlap of `record_of`.
OVERLAP = {
    "f1": 0.1,
    "precision": 0.2,
    "recall": 0.3,
    "iou": 0.4,
    "lift": 5.0,
    "adjusted_recall": 0.7,
}


def record_of(challenge: Challenge, **changes: Any) -> Record:
    """Returns the record of a run at density 0.5 with seed 0, whose figures all differ."""
    fields: dict[str, Any] = {
        "pruner": "mine",
        "challenge": challenge.id,
        "bundle_sha256": challenge.digest,
        "target_density": 0.5,
        "density_multiple": 2.5,
        "is_planted_density": False,
        "seed": 0,
        "status": "ok",
        "strong": TrackScore(performance=0.11, recovered_accuracy=0.12, recovered_digits=0.13),
        "weak": TrackScore(performance=0.21, recovered_accuracy=0.22, recovered_digits=0.23),
        "density": 0.49,
        "sparsity": 0.51,
        "effective_density": 0.41,
        "collapsed_layers": 2,
        "overlap": OVERLAP | {"average_precision": 0.6},
        "seconds": 3.0,
        "peak_rss_mib": 70.0,
        "error": "",
        "metrics": {"thickness": 8.0},
        "cpu_seconds": 2.5,
        "effort": 2.25,
    }
    return Record(**(fields | changes))

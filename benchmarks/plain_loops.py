"""The yardsticks: one run as people train it, of a perceptron and of a network on images.

`accuracy` compares what they learn with what the trainer does.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import count as count_from
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.utils.data import DataLoader, Sampler, TensorDataset

from plantkit.challenges import bundles
from plantkit.challenges.bundles import Challenge
from plantkit.networks import Network, PerceptronSpec, build_module
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task
from plantkit.networks.training import Recipe, Samples, data_order
from plantkit.networks.training.accuracy import Measurement, measure_all

CHALLENGES = Path(__file__).resolve().parent.parent / "challenges"
SEEDS = 20


class MaskedLinear(nn.Linear):
    """A linear layer that multiplies its parameters by masks in every forward pass."""

    weight_mask: Tensor
    bias_mask: Tensor

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__(fan_in, fan_out)
        self.register_buffer("weight_mask", torch.ones(fan_out, fan_in))
        self.register_buffer("bias_mask", torch.ones(fan_out))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        weight, bias = self.weight_mask * self.weight, self.bias_mask * self.bias
        return functional.linear(input, weight, bias)


def train_plainly(
    spec: PerceptronSpec,
    task: Task,
    data: Samples,
    start: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
    seed: int,
    recipe: Recipe,
    *,
    sampler: Sampler[int] | None = None,
) -> nn.Sequential:
    """Returns the trained module of a run; samples come in the order of `sampler`, or shuffled."""
    module = nn.Sequential()
    for layer, (fan_in, fan_out) in enumerate(pairwise(spec.widths)):
        if layer:
            module.append(nn.ReLU())
        linear = MaskedLinear(fan_in, fan_out)
        for part in ("weight", "bias"):
            name = f"layers.{layer}.{part}"
            getattr(linear, part).data.copy_(start[name])
            getattr(linear, f"{part}_mask").copy_(mask[name])
        module.append(linear)
    generator = torch.Generator().manual_seed(seed)
    loader = DataLoader(
        TensorDataset(data.inputs, data.targets),
        batch_size=recipe.batch_size,
        shuffle=sampler is None,
        sampler=sampler,
        generator=generator,
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    for _ in range(recipe.epochs):
        total = 0.0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = task.loss(module(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
    return module


class EngineOrder(Sampler[int]):
    """The engine's order of the samples in a run of `seed`, epoch after epoch."""

    def __init__(self, seed: int, count: int) -> None:
        self._seed, self._count, self._epochs = seed, count, count_from(0)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return iter(data_order(self._seed, next(self._epochs), self._count).tolist())


def plain_performance(module: nn.Sequential, task: Task, data: Samples) -> float:
    """Returns the performance of a trained module on `data`."""
    with torch.no_grad():
        outputs = cast("Tensor", module(data.inputs)).unsqueeze(0)
    return float(task.accuracy(outputs, data.targets)[0])


def train_on_images(
    network: Network,
    task: Task,
    data: Samples,
    start: Mapping[str, Tensor],
    mask: Mapping[str, Tensor],
    recipe: Recipe,
) -> nn.Module:
    """Trains one run for an epoch, with masks by `torch.nn.utils.prune`; returns its module.

    Batches are cut from tensors: a `DataLoader` would take more time than the network.
    """
    module = build_module(network, start).train()
    for name, layer in module.named_modules():
        for part in ("weight", "bias"):
            if f"{name}.{part}" in network.shapes:
                prune.custom_from_mask(layer, part, mask[f"{name}.{part}"])
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    for batch in torch.split(data_order(0, 0, len(data)), recipe.batch_size):
        optimizer.zero_grad()
        task.loss(module(data.inputs[batch]), data.targets[batch]).backward()
        optimizer.step()
    return module


def random_mask(network: Network, density: float, seed: int) -> Mask:
    """Returns a mask of exactly `density`, drawn uniformly."""
    order = torch.randperm(network.total, generator=torch.Generator().manual_seed(seed))
    return Mask.from_vector(network, order < budget_of(density, network.total))


def accuracy(rounds: int) -> list[dict[str, Any]]:
    """Returns the mean test performance of both trainers, each with its own orders of samples.

    t: the difference over its standard error. same_order: the mean absolute difference where
    both take the samples in the same order, which leaves rounding alone.
    """
    found = []
    for path in [*sorted(CHALLENGES.glob("*-5x100-faithful")), CHALLENGES / "teacher-10x100"]:
        challenge = bundles.load(path)
        for density in (1.0, 0.1, challenge.planted_density):
            is_planted = density == challenge.planted_density
            mask = (
                challenge.truth.ticket if is_planted else random_mask(challenge.network, density, 0)
            )
            row = _compared(challenge, mask, range(SEEDS))
            found.append({"challenge": challenge.id, "density": density, **row})
            print(found[-1], flush=True)
    return found


def _compared(challenge: Challenge, mask: Mask, seeds: Sequence[int]) -> dict[str, float]:
    """Returns both trainers' mean and standard deviation, and how they differ."""

    def plain_of(seed: int, *, same_order: bool) -> float:
        module = train_plainly(
            challenge.network,
            challenge.task,
            challenge.train,
            challenge.weights,
            mask,
            seed,
            challenge.recipe,
            sampler=EngineOrder(seed, len(challenge.train)) if same_order else None,
        )
        return plain_performance(module, challenge.task, challenge.truth.test)

    plain = [plain_of(seed, same_order=False) for seed in seeds]
    paired = [plain_of(seed, same_order=True) for seed in seeds[: max(2, len(seeds) // 4)]]
    wanted = Measurement(
        spec=challenge.network,
        task=challenge.task,
        weights=challenge.weights,
        masks=[mask] * len(seeds),
        seeds=list(seeds),
        recipe=challenge.recipe,
        train_data=challenge.train,
        test_data=challenge.truth.test,
    )
    [measured] = measure_all([wanted])
    engine = [each.weak for each in measured]
    gap = statistics.mean(engine) - statistics.mean(plain)
    error = ((statistics.variance(engine) + statistics.variance(plain)) / len(seeds)) ** 0.5
    return {
        "plain": statistics.mean(plain),
        "plain_sd": statistics.stdev(plain),
        "engine": statistics.mean(engine),
        "engine_sd": statistics.stdev(engine),
        "t": gap / error if error else 0.0,
        "same_order": statistics.mean(abs(a - b) for a, b in zip(engine, paired, strict=False)),
    }

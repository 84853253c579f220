"""The yardstick: one run as the published code trains it, a DataLoader and a torch module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count as count_from
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Sampler, TensorDataset

from plantkit.networks import PerceptronSpec
from plantkit.networks.tasks import Task
from plantkit.networks.training import Recipe, Samples, data_order


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

"""Where the time of a training goes, and how many times faster it is than a plain loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from plain_loops import random_mask, train_on_images, train_plainly
from timing import Times, product_rate, repeated
from torch import Tensor

from plantkit.networks import Network, PerceptronSpec, unflatten
from plantkit.networks.budget import budget_of
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.named import named_network
from plantkit.networks.tasks import Classification, make_task
from plantkit.networks.training import (
    Device,
    Recipe,
    Run,
    Samples,
    single_threaded,
    train,
    train_group,
)
from plantkit.networks.training.groups import most_runs
from plantkit.pruners.selection import select

BATCH = 32
#: Epochs of 32 steps, by width: so that setting up is a small part, as in a whole training.
EPOCHS = {100: 10, 300: 4, 1000: 2}
#: How many runs are profiled, and how many have masks, by width.
PROFILED = {100: (1, 8, 24), 300: (1, 8, 24), 1000: (1, 8)}
MASKED = {100: 24, 300: 8, 1000: 4}
DENSITIES = (1.0, 0.5, 0.1, 0.01, 0.003)
#: Networks on images and their images: small ones, and larger ones that fewer cases are taken of.
SMALL = dict.fromkeys(("lenet", "vgg", "resnet"), (1, 8, 8))
LARGE = {"lenet5": (1, 28, 28), "conv2": (3, 32, 32), "resnet20": (3, 32, 32)}


class Wide:
    """A network 5 layers deep and of some width, four classes of two inputs, and 1,024 samples."""

    def __init__(self, width: int) -> None:
        self.network = PerceptronSpec.uniform(depth=5, width=width, inputs=2, outputs=4)
        self.task = make_task("classification", 4)
        self.start = he_scaled(self.network)
        inputs = torch.rand(1024, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        classes = (inputs.square().sum(1) * 2).long().clamp(max=3)
        self.data = Samples(inputs=inputs, targets=classes)
        self.recipe = Recipe(epochs=EPOCHS[width], batch_size=BATCH)
        self.steps = self.recipe.steps(len(self.data))

    def plainly(self) -> None:
        full = Mask.full(self.network)
        train_plainly(self.network, self.task, self.data, self.start, full, 0, self.recipe)

    def runs(self, masks: Sequence[Mask]) -> Callable[[], object]:
        runs = [Run(start=self.start, mask=mask, seed=seed) for seed, mask in enumerate(masks)]
        return lambda: train(self.network, self.task, self.data, runs, self.recipe)

    def magnitude(self, density: float) -> Mask:
        sizes = {name: value.abs() for name, value in self.start.items()}
        return select(sizes, budget_of(density, self.network.total))


def profile(rounds: int) -> list[dict[str, Any]]:
    """Returns where a step of a dense run goes, in microseconds.

    products: the matrix products of the step alone. adam: Adam alone, which waits for memory
    where a network is wide. rest: everything else. peak, bmm_peak: the share of the rate of large
    matrices, and of products of many matrices of this size, that the whole step reaches.
    """
    found = []
    for width, counts in PROFILED.items():
        it = Wide(width)
        functions: dict[Any, Callable[[], object]] = {"plain": it.plainly}
        for count in counts:
            functions[count] = it.runs([Mask.full(it.network)] * count)
        times = Times(functions, rounds)
        rate = product_rate()
        operations = 6 * BATCH * sum(a * b for a, b in pairwise(it.network.widths))
        for count in counts:
            together = min(count, most_runs(it.network, BATCH, Device.CPU))
            products = _products(it.network, together)
            adam = _adam(it.network.total * together)
            alone, updates = (
                min(repeated(part) for _ in range(rounds)) / together for part in (products, adam)
            )
            whole = times.least(count) / it.steps / count
            found.append(
                {
                    "network": f"5x{width}",
                    "runs": count,
                    "together": together,
                    "plain": 1e6 * times.least("plain") / it.steps,
                    "whole": 1e6 * whole,
                    "products": 1e6 * alone,
                    "adam": 1e6 * updates,
                    "rest": 1e6 * max(0.0, whole - alone - updates),
                    "peak": operations / whole / rate,
                    "plain_peak": operations * it.steps / times.least("plain") / rate,
                    "bmm_peak": alone / whole,
                    "times": times.ratio("plain", count) * count,
                    "limit": times.least("plain") / it.steps / (operations / rate),
                }
            )
    return found


def _products(network: PerceptronSpec, runs: int) -> Callable[[], object]:
    """Returns the matrix products of a step, forwards and backwards."""
    calls: list[tuple[Tensor, Tensor, Tensor]] = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(network.widths)):
        weight, gradient = torch.randn(2, runs, fan_out, fan_in)
        given, made = torch.randn(runs, BATCH, fan_in), torch.randn(runs, BATCH, fan_out)
        calls.append((given, weight.transpose(1, 2), made))
        calls.append((made.transpose(1, 2), given, gradient))
        if layer:
            calls.append((made, weight, torch.empty_like(given)))
    return lambda: [torch.bmm(one, other, out=made) for one, other, made in calls]


def _adam(count: int) -> Callable[[], object]:
    """Returns an update of so many parameters."""
    values, gradients, mean, square = torch.rand(4, count)
    options: dict[str, Any] = {
        "lr": 1e-3,
        "beta1": 0.9,
        "beta2": 0.999,
        "weight_decay": 0.0,
        "eps": 1e-8,
    }
    steps = torch.ones(())
    buffers = [[values], [gradients], [mean], [square], [], [steps]]
    return lambda: torch._fused_adam_(*buffers, amsgrad=False, maximize=False, **options)


def densities(rounds: int) -> list[dict[str, Any]]:
    """Returns how many times faster runs are, by width, mask and density."""
    found = []
    for width, count in MASKED.items():
        it = Wide(width)
        cases: dict[Any, list[Mask]] = {}
        for density in DENSITIES:
            cases["random", density] = [
                random_mask(it.network, density, seed) for seed in range(count)
            ]
            if density < 1:
                cases["magnitude", density] = [it.magnitude(density)] * count
        functions = {case: it.runs(masks) for case, masks in cases.items()}
        times = Times({"plain": it.plainly, **functions}, rounds)
        found += [
            {
                "network": f"5x{width}",
                "runs": count,
                "mask": mask if density < 1 else "all kept",
                "density": density,
                "times": times.ratio("plain", (mask, density)) * count,
            }
            for mask, density in cases
        ]
    return found


def images(rounds: int) -> dict[str, dict[str, float]]:
    """Returns how many times faster networks on images train, in each case.

    limit: how much faster the multiplications of dense layers would be alone, at the rate of
    products of large matrices.
    """
    return {name: _on_images(name, image, rounds) for name, image in {**SMALL, **LARGE}.items()}


def _on_images(name: str, image: tuple[int, int, int], rounds: int) -> dict[str, float]:
    task = Classification(outputs=10)
    network = named_network(name, image, task.outputs)
    assert isinstance(network, ImageNetwork)
    is_small = name in SMALL
    steps = 10 if is_small else 2
    data = Samples(
        inputs=torch.rand(BATCH * steps, network.inputs),
        targets=torch.randint(task.outputs, (BATCH * steps,)),
    )
    recipe = Recipe(epochs=1, batch_size=BATCH)
    start, full = he_scaled(network), Mask.full(network)
    masks = {f"{count} runs": [full] * count for count in ((1, 2, 8, 24) if is_small else (1, 2))}
    if is_small:
        sizes = {key: value.abs() for key, value in start.items()}
        masks["8 runs, random 0.02"] = [random_mask(network, 0.02, 0)] * 8
        masks["8 runs, magnitude 0.02"] = [select(sizes, budget_of(0.02, network.total))] * 8
    functions: dict[str, Callable[[], object]] = {
        "plain": lambda: train_on_images(network, task, data, start, full, recipe)
    }
    for case, kept in masks.items():
        runs = [Run(start=start, mask=mask, seed=seed) for seed, mask in enumerate(kept)]
        functions[case] = lambda runs=runs: train_group(
            network, task, data, runs, recipe, steps=[steps]
        )
    with single_threaded():
        times = Times(functions, rounds)
        plain = times.least("plain") / steps
        operations = (
            6.0
            * BATCH
            * sum(
                math.prod(each.shape) * math.prod(each.size[1:])
                for each in network.plan
                if each.layer is not None
            )
        )
        return {
            "parameters": network.total,
            "pixels": image[1],
            "plain_ms": 1e3 * plain,
            "limit": plain * product_rate() / operations,
            **{case: plain * steps * len(kept) / times.least(case) for case, kept in masks.items()},
        }


def short(rounds: int = 2) -> dict[str, float]:
    """Returns a few ratios that take less than half a minute."""
    found = {}
    narrow, wide = Wide(100), Wide(300)
    full = Mask.full(narrow.network)
    cases: dict[str, tuple[Wide, list[Mask]]] = {
        "5x100, 1 run": (narrow, [full]),
        "5x100, 24 runs": (narrow, [full] * 24),
        "5x300, 8 runs": (wide, [Mask.full(wide.network)] * 8),
        "5x300, 8 runs, 0.01": (wide, [random_mask(wide.network, 0.01, i) for i in range(8)]),
        "5x300, 8 runs, 0.1": (wide, [random_mask(wide.network, 0.1, i) for i in range(8)]),
    }
    for name, (it, masks) in cases.items():
        times = Times({"plain": it.plainly, "engine": it.runs(masks)}, rounds)
        found[name] = round(times.ratio("plain", "engine") * len(masks), 2)
    found["vgg, 8 runs"] = round(_on_images("vgg", SMALL["vgg"], rounds)["8 runs"], 2)
    return found


def he_scaled(network: Network) -> dict[str, Tensor]:
    """Returns weights N(0, 2 / fan in) and no biases."""
    start: Mapping[str, Tensor] = unflatten(network, torch.zeros(network.total))
    generator = torch.Generator().manual_seed(0)
    return {
        name: value.clone().normal_(std=(2 / value[0].numel()) ** 0.5, generator=generator)
        if value.dim() > 1
        else value.clone()
        for name, value in start.items()
    }

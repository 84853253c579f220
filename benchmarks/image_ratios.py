"""How much faster the engine trains networks on images than a plain loop, in one run.

    python benchmarks/image_ratios.py            the three networks of 8x8 pixels (a minute)
    python benchmarks/image_ratios.py --sizes    larger images and networks, too (3 minutes)
    python benchmarks/image_ratios.py --sizes -o docs/results/image-speed.json

Plain loop: one network, batches that are cut from tensors, torch's module with its masks by
`torch.nn.utils.prune`, `loss.backward()` and Adam as torch has it. Everything is measured in CPU
time of one thread, plain loop and engine in turn. Load on the machine makes both slower, so the
least time of all rounds is taken. Pixels and classes are random: they do not change how long a
step takes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from plantkit.networks import Network, build_module, flatten, unflatten
from plantkit.networks.budget import budget_of
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.named import named_network
from plantkit.networks.tasks import Classification
from plantkit.networks.training import (
    Recipe,
    Run,
    Samples,
    data_order,
    single_threaded,
    train_group,
)
from plantkit.pruners.selection import select

TASK = Classification(outputs=10)
RECIPE = Recipe(epochs=1)
#: What is measured by default, and what --sizes adds: networks and their images.
DIGITS = dict.fromkeys(("lenet", "vgg", "resnet"), (1, 8, 8))
SIZES = {"lenet5": (1, 28, 28), "conv2": (3, 32, 32), "resnet20": (3, 32, 32)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", action="store_true", help="larger images and networks, too")
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with single_threaded():
        for name, image in {**DIGITS, **(SIZES if arguments.sizes else {})}.items():
            found[name] = measured(name, image, arguments.rounds)
            print(name, {what: round(value, 2) for what, value in found[name].items()}, flush=True)
    load = round(os.getloadavg()[0], 1)
    print(f"load {load}")
    if arguments.output:
        text = json.dumps({"load": load, "networks": found}, indent=1)
        arguments.output.write_text(text + "\n", encoding="utf-8", newline="\n")


def measured(name: str, image: tuple[int, int, int], rounds: int) -> dict[str, float]:
    """Returns how many times faster a run is than the plain loop, in each case.

    parameters and pixels say how large the network and a side of its images are; plain_ms is
    a step of the plain loop. limit is how much faster the multiplications of dense layers
    would be alone, at the rate of products of large matrices.
    """
    network = named_network(name, image, TASK.outputs)
    assert isinstance(network, ImageNetwork)
    is_small = math.prod(image) == 64
    steps = 10 if is_small else 2
    data = random_data(network, 32 * steps)
    start, full = he_scaled(network), Mask.full(network)
    masks = {f"{count} runs": [full] * count for count in ((1, 2, 8, 24) if is_small else (1, 2))}
    if is_small:
        budget = budget_of(0.02, network.total)
        noise = {key: torch.rand(value.shape) for key, value in start.items()}
        sizes = {key: value.abs() for key, value in start.items()}
        masks["8 runs, random 0.02"] = [select(noise, budget)] * 8
        masks["8 runs, magnitude 0.02"] = [select(sizes, budget)] * 8
    plain, rate, spent = math.inf, 0.0, dict.fromkeys(masks, math.inf)
    for _ in range(rounds):
        rate = max(rate, product_rate())
        plain = min(plain, seconds(lambda: train_plainly(network, start, full, data)) / steps)
        for case, kept in masks.items():
            runs = [Run(start=start, mask=mask, seed=seed) for seed, mask in enumerate(kept)]
            each = seconds(
                lambda runs=runs: train_group(network, TASK, data, runs, RECIPE, steps=[steps])
            )
            spent[case] = min(spent[case], each / steps / len(runs))
    return {
        "parameters": network.total,
        "pixels": image[1],
        "plain_ms": 1e3 * plain,
        "limit": plain * rate / operations(network),
        **{case: plain / each for case, each in spent.items()},
    }


def operations(network: ImageNetwork, batch: int = 32) -> float:
    """Returns the floating-point operations of a step: forwards, and twice backwards."""
    return (
        6.0
        * batch
        * sum(
            math.prod(each.shape) * math.prod(each.size[1:])
            for each in network.plan
            if each.layer is not None
        )
    )


def product_rate(size: int = 512) -> float:
    """Returns the operations in a second of products of large matrices."""
    one, other = torch.randn(2, size, size)
    return 2 * size**3 / min(seconds(lambda: torch.mm(one, other)) for _ in range(10))


def train_plainly(
    network: Network, start: Mapping[str, Tensor], mask: Mapping[str, Tensor], data: Samples
) -> nn.Module:
    """Trains one run as people do, its data in tensors; returns its module."""
    module = build_module(network, start).train()
    for name, layer in module.named_modules():
        for part in ("weight", "bias"):
            if f"{name}.{part}" in network.shapes:
                prune.custom_from_mask(layer, part, mask[f"{name}.{part}"])
    optimizer = torch.optim.Adam(module.parameters(), lr=RECIPE.learning_rate)
    for batch in torch.split(data_order(0, 0, len(data)), RECIPE.batch_size):
        optimizer.zero_grad()
        TASK.loss(module(data.inputs[batch]), data.targets[batch]).backward()
        optimizer.step()
    return module


def he_scaled(network: Network) -> dict[str, Tensor]:
    """Returns weights N(0, 2 / fan in) and no biases."""
    rows = torch.zeros(network.total)
    start = unflatten(network, rows)
    for value in start.values():
        if value.dim() > 1:
            value.normal_(std=(2 / value[0].numel()) ** 0.5)
    return unflatten(network, flatten(network, start))


def random_data(network: Network, count: int) -> Samples:
    return Samples(
        inputs=torch.rand(count, network.inputs), targets=torch.randint(TASK.outputs, (count,))
    )


def seconds(function: Callable[[], object]) -> float:
    """Returns the CPU seconds that a function takes."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


if __name__ == "__main__":
    torch.manual_seed(0)
    main()

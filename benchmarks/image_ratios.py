"""How much faster the engine trains networks on images than a plain loop, in one run.

    python benchmarks/image_ratios.py            the three networks of 8x8 pixels (2 minutes)
    python benchmarks/image_ratios.py --sizes    larger images and networks, too (5 minutes)

Plain loop: one network, batches that are cut from tensors, torch's module with its masks by
`torch.nn.utils.prune`, `loss.backward()` and Adam as torch has it. Everything is measured in CPU
time of one thread, plain loop and engine in turn. Load on the machine makes both slower, so the
least time of all rounds is taken. Pixels and classes are random: they do not change how long a
step takes.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Mapping

import torch
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn.utils import prune

from plantkit.networks import Network, build_module, flatten, unflatten
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.masks import Mask, budget_of
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
    arguments = parser.parse_args()
    peak = peak_rate()
    rows = []
    with single_threaded():
        for name, image in {**DIGITS, **(SIZES if arguments.sizes else {})}.items():
            rows += network_rows(name, image, peak, arguments.rounds)
    print(f"matrix products reach {peak / 1e9:.0f} GFLOP/s; load {os.getloadavg()[0]:.1f}")
    head = ["network", "pixels", "parameters", "mask", "runs", "ms a step", "times faster", "limit"]
    print(tabulate(rows, head, tablefmt="github", disable_numparse=True))


def network_rows(
    name: str, image: tuple[int, int, int], peak: float, rounds: int
) -> list[list[str]]:
    """Returns the rows of one network: all kept, with several numbers of runs, then sparse.

    The limit is that of a trainer which does nothing but the multiplications of all that is
    kept in dense layers, at the rate of matrix products.
    """
    network = named_network(name, image, TASK.outputs)
    assert isinstance(network, ImageNetwork)
    is_small = math.prod(image) == 64
    steps = 20 if is_small else 2
    data = random_data(network, 32 * steps)
    start = he_scaled(network)
    full = Mask.full(network)
    cases = [("all kept", full, count) for count in ((1, 2, 4, 8, 24) if is_small else (1, 2))]
    if is_small:
        budget = budget_of(0.02, network.total)
        noise = {key: torch.rand(value.shape) for key, value in start.items()}
        sizes = {key: value.abs() for key, value in start.items()}
        cases += [
            ("random, 0.02", select(noise, budget), 8),
            ("magnitude, 0.02", select(sizes, budget), 8),
        ]
    groups = [
        [Run(start=start, mask=mask, seed=seed) for seed in range(count)]
        for _, mask, count in cases
    ]
    plain, engine = math.inf, [math.inf] * len(cases)
    for _ in range(rounds):
        plain = min(plain, seconds(lambda: train_plainly(network, start, full, data)) / steps)
        for case, runs in enumerate(groups):
            spent = seconds(
                lambda runs=runs: train_group(network, TASK, data, runs, RECIPE, steps=[steps])
            )
            engine[case] = min(engine[case], spent / steps / len(runs))
    pixels = "x".join(map(str, image[1:]))
    common = [name, pixels, f"{network.total:,}"]
    limit = plain / (operations(network) / peak)
    rows = [[*common, "plain loop", "1", f"{1e3 * plain:.2f}", "1", f"{limit:.1f}"]]
    for (mask, _, count), spent in zip(cases, engine, strict=True):
        rows.append([*common, mask, str(count), f"{1e3 * spent:.2f}", f"{plain / spent:.1f}", ""])
    return rows


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


def peak_rate(size: int = 1024) -> float:
    """Returns the operations in a second of products of large matrices on one thread."""
    one, other = torch.randn(2, size, size)
    with single_threaded():
        torch.mm(one, other)
        spent = min(seconds(lambda: torch.mm(one, other)) for _ in range(20))
    return 2 * size**3 / spent


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

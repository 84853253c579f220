"""Scikit-learn's digits and the two small networks that the lottery-ticket studies train on them.

The digits are 1,797 images of 8x8 pixels in ten classes (the test part of "Optical Recognition
of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI). Needs the extra `studies`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from plantkit.errors import MissingExtraError
from plantkit.networks import ConvolutionSpec, Network, PerceptronSpec
from plantkit.networks.tasks import Classification
from plantkit.networks.training import Recipe, Samples, evaluate
from plantkit.research.studies.calibration import Calibration

TASK = Classification(outputs=10)

#: Samples held out to stop at and to test on; the others are trained on.
VALIDATION = 297
TEST = 300
TRAIN = 1200

#: The networks by their names on the command line.
NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "fc": PerceptronSpec(widths=(64, 100, 50, 10)),
        "conv": ConvolutionSpec(image=(1, 8, 8), blocks=((8,), (16,)), hidden=(32,), outputs=10),
    }
)
#: What tables of claims call them.
TITLES: Mapping[str, str] = MappingProxyType(
    {"fc": "the fully connected network", "conv": "the convolutional network"}
)
#: Adam's rate and the batch size. The batch is that of arXiv 1803.03635; its rate of 0.0012 is
#: so slow here that networks still improve when training ends.
LEARNING_RATE = 0.005
BATCH_SIZE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The digits, shuffled and split."""

    train: Samples
    validation: Samples
    test: Samples


def load_split(seed: int) -> Split:
    """Returns the digits in the order of `seed`; pixels in [0, 1], float32.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError(extra="studies", needed_for="loading the digits")
    from sklearn.datasets import load_digits

    inputs, targets = load_digits(return_X_y=True)
    order = np.random.Generator(np.random.PCG64([seed, 0])).permutation(len(inputs))
    images = torch.from_numpy(inputs[order] / 16.0).float()
    classes = torch.from_numpy(targets[order]).long()
    ends = (0, TRAIN, TRAIN + VALIDATION, TRAIN + VALIDATION + TEST)
    train, validation, test = (
        Samples(inputs=images[first:last], targets=classes[first:last])
        for first, last in itertools.pairwise(ends)
    )
    return Split(train=train, validation=validation, test=test)


def recipe_of(epochs: int) -> Recipe:
    return Recipe(epochs=epochs, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE)


def glorot(network: Network, seed: int) -> dict[str, Tensor]:
    """Returns Glorot's initial parameters: weights N(0, 2/(fan in + fan out)), biases zero."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in network.shapes.items():
        pixels = math.prod(shape[2:])
        fans = (shape[0] + shape[1]) * pixels if len(shape) > 1 else math.inf
        weights[name] = torch.randn(shape, generator=generator) * (2.0 / fans) ** 0.5
    return weights


def validation_losses(network: Network, parameters: Tensor, data: Samples) -> list[float]:
    """Returns the mean loss of each of the parameters (runs, total)."""
    outputs = evaluate(network, parameters, data.inputs)
    return [float(TASK.loss(run, data.targets)) for run in outputs]


def accuracies(network: Network, parameters: Tensor, data: Samples) -> list[float]:
    """Returns the accuracy in [0, 1] of each of the parameters (runs, total)."""
    return [
        float(a) for a in TASK.accuracy(evaluate(network, parameters, data.inputs), data.targets)
    ]


def training_seconds(network: Network, steps: int, calibration: Calibration) -> float:
    """Returns about how many CPU seconds one training of `steps` steps takes."""
    batches = BATCH_SIZE / 32  # the calibration's batches are of 32
    return calibration.training_seconds(round(network.work * batches), steps)

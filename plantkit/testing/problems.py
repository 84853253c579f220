"""The problems that the conformance suite sets: small, and each with one peculiarity.

Another kind of network adds its problems here, each as one line in `_PROBLEMS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch

from plantkit.errors import UnknownNameError
from plantkit.networks import ConvolutionSpec, Network, PerceptronSpec, ResidualSpec
from plantkit.networks.tasks import TaskKind, make_task
from plantkit.networks.training import Recipe, Samples
from plantkit.pruners.problem import Problem

# 6x6 pixels are pooled to 3x3, then to 1x1.
_CONVOLUTION = ConvolutionSpec(image=(1, 6, 6), blocks=((2, 2), (3,)), hidden=(4,), outputs=3)
# A block with an identity shortcut and one with a 1x1 convolution; 4x4 pixels become 2x2.
_RESIDUAL = ResidualSpec(image=(1, 4, 4), stages=((2, 1, 1), (3, 1, 2)), outputs=3)
_RECIPE = Recipe(epochs=1, batch_size=32, learning_rate=0.001)


def make_problem(name: str) -> Problem:
    """Returns the problem called `name`, at density 1 and seed 0.

    Raises:
        UnknownNameError: no such problem.
    """
    if name not in _PROBLEMS:
        raise UnknownNameError("problem", name, _PROBLEMS)
    return _PROBLEMS[name](name=name)


def _problem(
    kind: TaskKind,
    *,
    name: str,
    widths: tuple[int, ...] = (2, 5, 4, 3),  # 15 + 24 + 15 = 54 parameters
    network: Network | None = None,
    samples: int = 20,
    classes: int | None = None,
    scale: float = 1.0,
    constant: float | None = None,
) -> Problem:
    """Returns a problem.

    Args:
        widths: of a multilayer perceptron. network: another network instead.
        classes: number of classes that the training data holds; all of them if None.
        scale: factor on He-scaled weights. constant: the value of every parameter instead.
    """
    spec = PerceptronSpec(widths=widths) if network is None else network
    generator = torch.Generator().manual_seed(20)
    weights = {}
    for parameter, shape in spec.shapes.items():
        deviation = (2.0 / math.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.3
        drawn = torch.randn(shape, generator=generator) * deviation * scale
        weights[parameter] = drawn if constant is None else torch.full(shape, constant)
    inputs = torch.rand(samples, spec.inputs, generator=generator) * 2 - 1
    if kind is TaskKind.CLASSIFICATION:
        targets = torch.arange(samples) % (classes or spec.outputs)
    else:
        targets = torch.sin(inputs[:, :1] * torch.arange(1, spec.outputs + 1))
    return Problem(
        name=f"check-{name}",
        network=spec,
        task=make_task(kind, spec.outputs),
        weights=weights,
        train=Samples(inputs=inputs, targets=targets),
        density=1.0,
        recipe=_RECIPE,
    )


_CLASSES = partial(_problem, TaskKind.CLASSIFICATION)
_VALUES = partial(_problem, TaskKind.REGRESSION)
_PROBLEMS: dict[str, Callable[..., Problem]] = {
    "classification": _CLASSES,
    "regression": partial(_VALUES, widths=(2, 5, 4, 2)),
    "absent-class": partial(_CLASSES, widths=(2, 5, 4), classes=3),
    "equal-weights": partial(_CLASSES, constant=0.5),
    "zero-weights": partial(_CLASSES, constant=0.0),
    "one-sample": partial(_CLASSES, samples=1),
    "one-sample-regression": partial(_VALUES, samples=1),
    "last-batch-of-one": partial(_CLASSES, samples=_RECIPE.batch_size + 1),
    "last-batch-of-one-regression": partial(_VALUES, samples=_RECIPE.batch_size + 1),
    "one-hidden-unit": partial(_CLASSES, widths=(2, 1, 3)),
    "no-hidden-layer": partial(_CLASSES, widths=(3, 4)),
    "deep-narrow": partial(_CLASSES, widths=(2, *[2] * 18, 2), scale=0.005),
    "convolution": partial(_CLASSES, network=_CONVOLUTION),
    "convolution-regression": partial(_VALUES, network=_CONVOLUTION),
    "residual": partial(_CLASSES, network=_RESIDUAL),
    "residual-regression": partial(_VALUES, network=_RESIDUAL),
    "full-size": partial(_CLASSES, widths=(2, 100, 100, 100, 4), samples=1000),
}

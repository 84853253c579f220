"""Measures how fast this machine trains, to say what a study will cost before it starts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import TaskKind, make_task
from plantkit.networks.training import Recipe, Run, Samples, single_threaded, train

_WIDTHS = (100, 300)
_SAMPLES = 3200  # a hundred steps of 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast one network trains: seconds of a step, and of a look at one sample.

    They are of the processor, or of the clock on a GPU.
    """

    step: float
    look: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """CPU seconds of one training step of one network, as a line over its parameters.

    seconds_per_step: of a step of the smallest network. seconds_per_parameter: what every
    parameter adds to a step. paces: of networks that were measured themselves, by name.
    """

    seconds_per_step: float
    seconds_per_parameter: float
    paces: Mapping[str, Pace] = field(default_factory=dict)

    def training_seconds(self, parameters: int, steps: int) -> float:
        """Returns the CPU seconds of `steps` steps of a network with so many parameters."""
        return steps * (self.seconds_per_step + parameters * self.seconds_per_parameter)


#: A machine of which only the proportions matter: about one core of a laptop.
NOMINAL = Calibration(seconds_per_step=1e-4, seconds_per_parameter=1e-8)


def calibrate() -> Calibration:
    """Returns how fast this machine trains, from a hundred steps of two networks; about 1 s."""
    points = []
    for width in _WIDTHS:
        spec = PerceptronSpec.uniform(depth=5, width=width, inputs=2, outputs=4)
        _seconds_per_step(spec, samples=320)  # warms up: some work is done only once
        points.append((spec.total, _seconds_per_step(spec, samples=_SAMPLES)))
    (small, fast), (large, slow) = points
    slope = max(0.0, (slow - fast) / (large - small))
    return Calibration(seconds_per_step=max(0.0, fast - slope * small), seconds_per_parameter=slope)


def _seconds_per_step(spec: PerceptronSpec, *, samples: int) -> float:
    generator = torch.Generator().manual_seed(0)
    start = {
        name: 0.1 * torch.randn(shape, generator=generator) for name, shape in spec.shapes.items()
    }
    data = Samples(
        inputs=torch.rand(samples, spec.inputs, generator=generator),
        targets=torch.randint(spec.outputs, (samples,), generator=generator),
    )
    recipe = Recipe(epochs=1)
    begun = time.process_time()
    with single_threaded():
        train(
            spec,
            make_task(TaskKind.CLASSIFICATION, spec.outputs),
            data,
            [Run(start=start, mask=Mask.full(spec), seed=0)],
            recipe,
        )
    return (time.process_time() - begun) / recipe.steps(samples)

"""The data of a planting: from the family's formula or from the ticket itself."""

from __future__ import annotations

import numpy as np

from plantkit.errors import UsageError
from plantkit.networks.tasks import TaskKind
from plantkit.planting.family import Family, FormulaFamily, Samples
from plantkit.planting.planted import LabelSource, Planted


def draw_samples(
    planted: Planted,
    family: Family,
    rng: np.random.Generator,
    count: int,
    noise: float | None = None,
) -> Samples:
    """Returns `count` inputs and their noisy targets, from where `planted.labels` says.

    Targets of a ticket are its outputs over `output_scales` plus Gaussian noise, or the argmax
    of its outputs, moved to the second highest class with probability `noise`.

    Args:
        planted: of this family.
        family: draws the inputs, and knows the default noise.
        rng: source of the inputs and of the noise.
        count: number of samples n.
        noise: standard deviation, or share of labels in [0, 1]; None is the family's.

    Returns:
        inputs (n, d_in) float32, and targets: (n, d_out) float32 or (n,) int64 classes.

    Raises:
        UsageError: the noise is negative, or a share above 1; or `family` has no formula to
            draw from.
    """
    if planted.labels is LabelSource.FORMULA:
        if not isinstance(family, FormulaFamily):
            raise UsageError(f"family {family.name!r} has no formula to draw labels from")
        return family.sample(rng, count, noise=noise)
    level = family.noise_level(noise)
    inputs = family.sample_inputs(rng, count)
    outputs = planted.masked_forward(inputs.astype(np.float64)) / planted.output_scales
    if family.kind is TaskKind.CLASSIFICATION:
        highest = np.argsort(outputs, axis=1, kind="stable")
        moved = rng.random(count) < level
        return inputs, np.where(moved, highest[:, -2], outputs.argmax(axis=1)).astype(np.int64)
    noisy = outputs + level * rng.standard_normal(outputs.shape)
    return inputs, noisy.astype(np.float32)

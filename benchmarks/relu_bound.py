"""What no attacker can beat: the best possible one, where it can be written down.

The paper's planting of relu keeps every value of its path except the sign of the last weight. It
draws a unit with a positive weight in the first layer, then, layer by layer, one that reads the
unit before it with a positive weight; all that fit are equally likely. So given a network, the
chance of every path is known exactly, and no score without data tells entries apart better than
the chance that a path leads through them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec, weight_name
from plantkit.research.audit.samples import Sample

Floats = NDArray[np.float64]


def path_chances(
    spec: PerceptronSpec, parameters: Mapping[str, NDArray[np.floating]]
) -> list[Floats]:
    """Returns the chance that relu's ticket, planted `faithful`, holds each weight.

    One array (out, in) per layer; each sums to 1. Networks in which a unit of a path is read by
    no positive weight, which planting answers with a random unit, are too rare to count.

    Args:
        spec: a network with one input and one output.
        parameters: name to array, as published.

    Raises:
        UsageError: there are more inputs or outputs, or no path of positive weights.
    """
    if spec.inputs != 1 or spec.outputs != 1:
        raise UsageError(
            f"paths of relu lead from one input to one output; got {spec.inputs} and {spec.outputs}"
        )
    steps = [(parameters[weight_name(layer)] > 0).astype(np.float64) for layer in spec.layers]
    # A path is drawn with the chance of its steps, and the last weight has been made positive.
    steps[:-1] = [grid / np.maximum(grid.sum(axis=0), 1) for grid in steps[:-1]]
    ahead = [np.ones(1)]  # the chance to come from each unit to a positive output
    for step in reversed(steps):
        ahead.insert(0, step.T @ ahead[0])
    if not ahead[0][0]:
        raise UsageError("no path of positive weights leads from the input to the output")
    chances, here = [], np.ones(1)
    for step, onward in zip(steps, ahead[1:], strict=True):
        flow = onward[:, None] * step * here
        chances.append(flow / flow.sum())
        here = step @ here
    return chances


def best_path_auc(samples: Sequence[Sample]) -> float:
    """Returns the within-stratum AUC that the best possible attacker of relu expects.

    The expectation is over the tickets that each network may have been planted with, so the
    samples' own tickets are not looked at. No attacker without data expects more.

    Args:
        samples: networks into which relu was planted by `faithful`.
    """
    found = [path_chances(sample.spec, sample.parameters) for sample in samples]
    return float(np.mean([expected_auc(one.ravel()) for chances in found for one in chances]))


def expected_auc(chances: Floats) -> float:
    """Returns the AUC expected of scoring entries by `chances` (n,) when one of them is drawn.

    The drawn entry is the positive, all others are negatives, and ties count by half.
    """
    shares_below = (rankdata(chances) - 1) / (chances.size - 1)
    return float(np.average(shares_below, weights=chances))

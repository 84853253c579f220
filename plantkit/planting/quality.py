"""Whether a random function makes a challenge: not constant, not linear, no rare spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.networks.tasks import TaskKind
from plantkit.planting.targets import Floats

LEAST_NONLINEAR = 0.15
"""Regression: share of each output's variance that no linear function of the inputs explains."""

LEAST_SPREAD = 0.2
"""Regression: each output's standard deviation, as a share of its root mean square."""

MOST_KURTOSIS = 8.0
"""Regression: fourth moment over squared variance; 3 for a Gaussian, large for rare spikes."""

LEAST_CLASS = 0.4
"""Classification: the rarest class's share of the inputs, times the number of classes."""

MOST_LINEAR_ACCURACY = 0.9
"""Classification: accuracy of the argmax of linear functions fitted to the classes."""

CLOSE_CALL = 0.01
"""Classification: a gap between the two highest outputs, as a share of the mean gap."""

MOST_CLOSE_CALLS = 0.03
"""Classification: share of inputs whose two highest outputs are closer than `CLOSE_CALL`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What was measured of a function on its domain.

    Attributes:
        nonlinear: regression: least share over outputs of the variance that no linear function
            explains; classification: share of inputs that linear functions misclassify.
        faults: the requirements that it misses, by name.
    """

    nonlinear: float
    faults: tuple[str, ...]


def assess(outputs: Floats, inputs: Floats, kind: TaskKind) -> Quality:
    """Returns the quality of outputs (n, d_out) as a function of inputs (n, d_in)."""
    design = np.column_stack([inputs, np.ones(len(inputs))])
    if kind is TaskKind.CLASSIFICATION:
        return _assess_classes(outputs, design)
    return _assess_values(outputs, design)


def _assess_values(outputs: Floats, design: Floats) -> Quality:
    deviation = outputs.std(axis=0)
    power = np.sqrt(np.square(outputs).mean(axis=0))
    if not (deviation >= LEAST_SPREAD * power).all() or not deviation.all():
        return Quality(nonlinear=0.0, faults=("spread",))
    residual = outputs - design @ np.linalg.lstsq(design, outputs, rcond=None)[0]
    nonlinear = float((residual.var(axis=0) / np.square(deviation)).min())
    standardised = (outputs - outputs.mean(axis=0)) / deviation
    faults = []
    if nonlinear < LEAST_NONLINEAR:
        faults.append("nonlinear")
    if (standardised**4).mean(axis=0).max() > MOST_KURTOSIS:
        faults.append("kurtosis")
    return Quality(nonlinear=nonlinear, faults=tuple(faults))


def _assess_classes(outputs: Floats, design: Floats) -> Quality:
    classes, count = outputs.argmax(axis=1), outputs.shape[1]
    shares = np.bincount(classes, minlength=count) / len(classes)
    indicators = np.eye(count)[classes]
    fitted = design @ np.linalg.lstsq(design, indicators, rcond=None)[0]
    accuracy = float((fitted.argmax(axis=1) == classes).mean())
    ordered = np.sort(outputs, axis=1)
    gaps = ordered[:, -1] - ordered[:, -2]
    faults = []
    if shares.min() < LEAST_CLASS / count:
        faults.append("class share")
    if accuracy > MOST_LINEAR_ACCURACY:
        faults.append("nonlinear")
    if (gaps < CLOSE_CALL * gaps.mean()).mean() > MOST_CLOSE_CALLS:
        faults.append("close calls")
    return Quality(nonlinear=1 - accuracy, faults=tuple(faults))

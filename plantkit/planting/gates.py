"""The gates that every planted ticket must pass before anyone sees it, and those of its function.

The gates look only at the masked network and know nothing of how it was made.
A random function must also make a challenge: not constant, not linear, no rare spikes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.errors import PlantingError
from plantkit.networks.tasks import TaskKind
from plantkit.planting.effects import ChangeMeasure, entry_effects, relative_change
from plantkit.planting.targets import Floats, Target

# Largest relative change between the rescaled ticket and the target, in float64.
FUNCTION_TOLERANCE = 1e-9

# The same with parameters, inputs and arithmetic in float32.
FLOAT32_TOLERANCE = 1e-4

# Smallest relative change of the outputs that dropping any one ticket entry must make.
MINIMUM_EFFECT = 1e-5

# A unit is dead if its largest activation is below this share of its |preactivation|.
ACTIVE_TOLERANCE = 1e-12

# Regression: share of each output's variance that no linear function of the inputs explains.
LEAST_NONLINEAR = 0.15

# Regression: each output's standard deviation, as a share of its root mean square.
LEAST_SPREAD = 0.2

# Regression: fourth moment over squared variance; 3 for a Gaussian, large for rare spikes.
MOST_KURTOSIS = 8.0

# Classification: the rarest class's share of the inputs, times the number of classes.
LEAST_CLASS = 0.4

# Classification: accuracy of the argmax of linear functions fitted to the classes.
MOST_LINEAR_ACCURACY = 0.9

# Classification: a gap between the two highest outputs, as a share of the mean gap.
CLOSE_CALL = 0.01

# Classification: share of inputs whose two highest outputs are closer than `CLOSE_CALL`.
MOST_CLOSE_CALLS = 0.03


class Rejected(Exception):  # noqa: N818
    """A ticket is not good enough; the arguments are the reasons, in a few words each."""


def check_function(network: Target, scales: Floats, reference: Target, domain: Floats) -> float:
    """Returns the relative change between network / scales (d_out,) and the reference.

    Raises:
        PlantingError: it exceeds `FUNCTION_TOLERANCE`.
    """
    error = relative_change(network.forward(domain) / scales, reference.forward(domain))
    return _at_most(error, FUNCTION_TOLERANCE, "the ticket's function")


def check_float32(network: Target, scales: Floats, reference: Target, domain: Floats) -> float:
    """Returns the same as `check_function` for the network cast to float32.

    Raises:
        PlantingError: it exceeds `FLOAT32_TOLERANCE`.
    """
    activations = domain.astype(np.float32)
    outputs = activations
    for weight, bias in zip(network.weights, network.biases, strict=True):
        outputs = activations @ weight.astype(np.float32).T + bias.astype(np.float32)
        activations = np.maximum(outputs, 0)
    exact = reference.forward(domain)
    error = relative_change(outputs.astype(np.float64) / scales, exact)
    return _at_most(error, FLOAT32_TOLERANCE, "the ticket's function in float32")


def check_units(network: Target, domain: Floats, *, least_activity: float = 0.0) -> float:
    """Returns the least share of the domain, in (0, 1], on which a hidden unit is active.

    Raises:
        PlantingError: a unit is dead, or active on less than `least_activity`.
    """
    smallest = 1.0
    for layer, preactivation in enumerate(network.preactivations(domain)[:-1]):
        scale = np.abs(preactivation).max(axis=0)
        dead = np.flatnonzero(preactivation.max(axis=0) <= ACTIVE_TOLERANCE * scale)
        if dead.size:
            raise PlantingError(
                f"hidden layer {layer + 1} of the ticket has {dead.size} dead units; "
                "expected every unit to be active somewhere on the domain",
                reason="a dead unit",
            )
        activity = float((preactivation > 0).mean(axis=0).min())
        if activity < least_activity:
            raise PlantingError(
                f"a unit in hidden layer {layer + 1} of the ticket is active on {activity:.1%} of "
                f"the domain; expected at least {least_activity:.1%}",
                reason="a unit is rarely active",
            )
        smallest = min(smallest, activity)
    return smallest


def check_entries(
    network: Target,
    domain: Floats,
    *,
    least_effect: float = MINIMUM_EFFECT,
    measure: ChangeMeasure = relative_change,
) -> float:
    """Returns the smallest change, by `measure`, that dropping one entry makes to the outputs.

    Raises:
        PlantingError: it is below `least_effect`; the message names the parameter.
    """
    effects = entry_effects(network, domain, measure=measure)
    name = min(effects, key=lambda key: effects[key].min(initial=np.inf))
    smallest = float(effects[name].min())
    if smallest < least_effect:
        raise PlantingError(
            f"an entry of {name!r} changes the outputs by {smallest:.1e} relative when dropped; "
            f"every ticket entry must change them by at least {least_effect:.0e}",
            reason="an idle entry",
        )
    return smallest


def check_ticket(
    network: Target,
    scales: Floats,
    reference: Target,
    domain: Floats,
    *,
    least_effect: float = MINIMUM_EFFECT,
    least_activity: float = 0.0,
    measure: ChangeMeasure = relative_change,
) -> None:
    """Checks that a ticket passes every gate.

    Args:
        network: the masked network, as `subnetwork` returns it.
        scales: (d_out,), the factor of every output.
        reference: the target that the ticket must compute.
        domain: inputs (n, d_in) that cover the data's domain densely.
        least_effect: of dropping any one entry, relative; see `check_entries`.
        least_activity: share of the domain; see `check_units`.
        measure: of the effect of an entry.

    Raises:
        PlantingError: a gate failed.
    """
    check_units(network, domain, least_activity=least_activity)
    check_function(network, scales, reference, domain)
    check_float32(network, scales, reference, domain)
    check_entries(network, domain, least_effect=least_effect, measure=measure)


def _at_most(error: float, tolerance: float, what: str) -> float:
    if not error <= tolerance:  # also catches NaN
        raise PlantingError(
            f"{what} differs from the target by {error:.1e} relative; "
            f"expected at most {tolerance:.0e}",
            reason="not exact",
        )
    return error


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

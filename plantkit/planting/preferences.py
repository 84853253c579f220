"""Which units a structure is made of: preferences by what the units look like.

A ticket that was fitted is not a random part of its network: the fit moves the weights of a
unit together, to the outputs above all. Preferences make up for it beforehand. They are log
odds, by the second-order terms of `plantkit.planting.surroundings`, with which units are drawn
at random without replacement; a fit then turns what was preferred into what is ordinary.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec
from plantkit.planting.surroundings import look_at_units, second_order, second_order_names
from plantkit.planting.targets import Floats

Preferences = Mapping[str, float]
"""Log odds of a unit by term, such as `|bias|` or `out_0*out_1`; values in initial deviations."""


def unit_odds(
    spec: PerceptronSpec, parameters: Mapping[str, Floats], layer: int, preferences: Preferences
) -> Floats:
    """Returns the log odds of the units that hidden layer `layer`, from 0, ends in, (units,).

    Raises:
        ValueError: there is no such term.
    """
    if not preferences:
        return np.zeros(spec.widths[layer + 1])
    around = look_at_units(spec, parameters, layer)
    names = second_order_names(around.names)
    unknown = sorted(set(preferences) - set(names))
    if unknown:
        raise ValueError(f"no terms {unknown} in layer {layer}; there are {sorted(names)}")
    coefficients = np.array([preferences.get(name, 0.0) for name in names])
    odds: Floats = second_order(around.values) @ coefficients
    return odds


def draw_units(odds: Floats, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Returns `count` of the units, drawn in turn by their log odds (units,); -inf for never."""
    ranks = rng.gumbel(size=odds.size) + odds
    return np.argsort(-ranks)[:count]

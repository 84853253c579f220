"""The freedom of ReLU networks to move scale between layers, drawn under the initial law.

A hidden unit's incoming entries times c > 0 and its outgoing ones over c is the same function.
After a fit these factors say something of the fit; drawn anew, from what the initial law makes
of them given everything else, they no longer do. So are the factors of the outputs, which are
free altogether.
"""

from __future__ import annotations

import numpy as np

from plantkit.planting.coordinates import Coordinates
from plantkit.planting.targets import Floats

SWEEPS = 20
GRID = np.linspace(-2, 2, 161)
"""Log factors among which each is drawn."""


def draw_scales(
    coordinates: Coordinates,
    vector: Floats,
    rng: np.random.Generator,
    *,
    common: bool,
    held: int = 0,
) -> Floats:
    """Returns coordinates (size,) of the same function up to its outputs' factors.

    A Gibbs sampler: every unit's log factor in turn is drawn from its density under the
    initial law, which is exp(-(a c^2 + b / c^2) / 2) c^(m - n) for m incoming entries of squared
    norm a and n outgoing ones of squared norm b.

    Args:
        coordinates: of the ticket.
        vector: (size,).
        rng: source of the factors.
        common: whether all outputs must share one factor, as classes must.
        held: leading layers whose entries, and so whose units' factors, stay as they are.
    """
    scaled = vector.copy()
    layers = coordinates.layers
    for _ in range(SWEEPS):
        for layer, entries in enumerate(layers[held:], start=held):
            unit_count = entries.shape[0]
            is_last = layer == len(layers) - 1
            if is_last and common:
                places = np.r_[entries.weights, entries.biases]
                scaled[places] *= _draw(scaled[places], np.empty(0), rng)
                continue
            weights = np.arange(entries.weights.start, entries.weights.stop)
            biases = np.arange(entries.biases.start, entries.biases.stop)
            for unit in range(unit_count):
                incoming = np.r_[weights[entries.targets == unit], biases[entries.biased == unit]]
                if is_last:
                    outgoing = np.empty(0, dtype=np.intp)
                else:
                    after = layers[layer + 1]
                    outgoing = np.arange(after.weights.start, after.weights.stop)[
                        after.sources == unit
                    ]
                factor = _draw(scaled[incoming], scaled[outgoing], rng)
                scaled[incoming] *= factor
                scaled[outgoing] /= factor
    return scaled


def _draw(incoming: Floats, outgoing: Floats, rng: np.random.Generator) -> float:
    """Returns one factor, positive, drawn under the initial law."""
    square = np.exp(2 * GRID)
    density = (incoming.size - outgoing.size) * GRID - (
        np.square(incoming).sum() * square + np.square(outgoing).sum() / square
    ) / 2
    cumulative = np.cumsum(np.exp(density - density.max()))
    place = np.searchsorted(cumulative, rng.random() * cumulative[-1])
    return float(np.exp(GRID[place] + (rng.random() - 0.5) * (GRID[1] - GRID[0])))

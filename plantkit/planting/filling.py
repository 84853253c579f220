"""What lies around the parts of a network, drawn so that it looks as they do.

A fit makes a part's weights larger than the initial law does, and lets them depend on the units
that they join. So all weights between hidden layers that belong to no part are drawn anew from a
model of those that do: a ridge regression of a weight on the units at both its ends, and on their
squares and products, plus a residual that is drawn from the parts' residuals, and is as large as a
second regression says. What comes out is put in order, and takes the values that the parts' weights
have in that order. Units that belong to no part become blurred copies of units that do. Then every
layer is scaled back to the size that the initial law gives it: factors of layers do not change what
a ReLU network computes, but for a factor of all outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.planting.gates import Rejected
from plantkit.planting.initialization import standard_deviations
from plantkit.planting.targets import Floats, Ticket

# Of the ridge regression: so many entries' worth of evidence that nothing depends on anything.
RIDGE = 20.0

# Share of its deviation by which a copied unit is blurred.
BLUR = 0.3

# Deviation of the logarithm of a factor of every drawn weight: without it the largest weight of a
# layer would always be a part's.
SPREAD = 0.1

# Of the model of how large residuals are: what counts as nothing, as a share of the weights'
# deviation, and the logarithm of the largest factor.
LEAST_SIZE = 0.1
MOST_GROWTH = 1.5

# Entries of parts in a layer from which others can be drawn.
LEAST_KNOWN = 4

# Values beyond this many deviations count as this.
LARGEST = 3.0

# Entries of a unit are looked at one by one up to this number, else by their sum and their norm.
FEW = 4


def fill_around(
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    parts: Sequence[Ticket],
    rng: np.random.Generator,
) -> None:
    """Draws all weights and units that belong to no part anew, and scales every layer.

    Args:
        spec: the network.
        parameters: name to float64; changed in place.
        parts: entries of each part, name to bool; no two share a hidden unit.
        rng: source of what is drawn.

    Raises:
        Rejected: the parts have hardly any entries in a layer.
    """
    used = {name: np.any([part[name] for part in parts], axis=0) for name in spec.shapes}
    hidden = spec.layers[:-1]
    if any(used[weight_name(layer)].sum() < LEAST_KNOWN for layer in spec.layers):
        raise Rejected("too few entries in parts")
    _draw_inputs(parameters, used, rng)
    donors = [_donors(_units(used, layer), rng) for layer in hidden]
    for layer in hidden:
        _copy_units(spec, parameters, used, layer, donors[layer], rng)
    views = [_look(spec, parameters, used, layer, donors[layer]) for layer in hidden]
    for layer in hidden[1:]:
        weights, is_used = parameters[weight_name(layer)], used[weight_name(layer)]
        (bias, _, after), (source_bias, before, _) = views[layer], views[layer - 1]
        targets = np.column_stack([bias, after])
        sources = np.column_stack([source_bias, before])
        _draw(weights, is_used, targets, sources, rng)
    _scale(spec, parameters)


def _draw_inputs(parameters: dict[str, Floats], used: Ticket, rng: np.random.Generator) -> None:
    """Draws the weights of parts' units to inputs that they do not read, in place."""
    weights, is_used = parameters[weight_name(0)], used[weight_name(0)]
    units = np.flatnonzero(is_used.any(axis=1))
    rows, reads = weights[units], is_used[units]
    if not reads.all():
        targets = parameters[bias_name(0)][units][:, None]
        _draw(rows, reads, targets, np.zeros((reads.shape[1], 1)), rng)
        weights[units] = rows


def _units(used: Ticket, layer: int) -> NDArray[np.bool_]:
    """Returns which units of a hidden layer belong to a part, (units,)."""
    reads = used[weight_name(layer)].any(axis=1) | used[bias_name(layer)]
    found: NDArray[np.bool_] = reads & used[weight_name(layer + 1)].any(axis=0)
    return found


def _donors(is_used: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """Returns for each unit the one that it looks like: itself, or one that belongs to a part."""
    if not is_used.any():
        raise Rejected("too few entries in parts")
    donors = np.arange(is_used.size)
    donors[~is_used] = rng.choice(np.flatnonzero(is_used), int((~is_used).sum()))
    return donors


def _copy_units(
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    used: Ticket,
    layer: int,
    donors: NDArray[np.intp],
    rng: np.random.Generator,
) -> None:
    """Makes units that belong to no part blurred copies: biases, and weights at the ends."""
    outside = np.flatnonzero(donors != np.arange(donors.size))
    inside = np.flatnonzero(donors == np.arange(donors.size))

    def blur(lines: Floats) -> None:
        mean, deviation = lines[inside].mean(axis=0), lines[inside].std(axis=0)
        copies = lines[donors[outside]]
        noise = deviation * rng.standard_normal(copies.shape)
        lines[outside] = mean + np.sqrt(1 - BLUR**2) * (copies - mean) + BLUR * noise

    if used[bias_name(layer)].any():
        blur(parameters[bias_name(layer)])
    if layer == 0:
        blur(parameters[weight_name(0)])
    if layer + 1 == spec.layers[-1]:
        blur(parameters[weight_name(layer + 1)].T)


def _look(
    spec: PerceptronSpec,
    parameters: dict[str, Floats],
    used: Ticket,
    layer: int,
    donors: NDArray[np.intp],
) -> tuple[Floats, Floats, Floats]:
    """Returns the units' biases (units, 1), and what leads in and out, (units, values) each."""

    def lines(name: str, *, whole: bool) -> Floats:
        found: Floats = np.where(used[name] | whole, parameters[name], 0.0)
        return found

    entering = lines(weight_name(layer), whole=layer == 0)
    leaving = lines(weight_name(layer + 1), whole=layer + 1 == spec.layers[-1]).T
    if layer:
        entering = entering[donors]
    if layer + 1 < spec.layers[-1]:
        leaving = leaving[donors]
    return parameters[bias_name(layer)][:, None], _summary(entering), _summary(leaving)


def _summary(lines: Floats) -> Floats:
    """Returns what lines (units, entries) look like: single values if few, sum and norm."""
    norms = np.linalg.norm(lines, axis=1)
    if lines.shape[1] <= FEW:
        return np.column_stack([lines, norms])
    return np.column_stack([lines.sum(axis=1), norms])


def _draw(
    weights: Floats,
    is_used: NDArray[np.bool_],
    targets: Floats,
    sources: Floats,
    rng: np.random.Generator,
) -> None:
    """Draws the weights (out, in) that are not used, in place, from a model of those that are."""
    terms, outside = _terms(targets, sources, is_used), ~is_used
    known, model = weights[is_used], terms[is_used.ravel()]
    mean = known.mean()
    slopes = _ridge(model, known - mean)
    residuals = known - mean - model @ slopes
    sizes = np.log(np.abs(residuals) + LEAST_SIZE * known.std() + 1e-300)
    growths = _ridge(model, sizes - sizes.mean())
    scales = np.exp(np.clip(terms @ growths, -MOST_GROWTH, MOST_GROWTH))
    drawn = rng.choice(residuals / scales[is_used.ravel()], int(outside.sum()))
    guesses = terms[outside.ravel()] @ slopes + scales[outside.ravel()] * drawn
    ranks = guesses.argsort().argsort() + rng.random(guesses.size)
    values: Floats = np.asarray(np.quantile(known, ranks / guesses.size), dtype=np.float64)
    weights[outside] = values * np.exp(SPREAD * rng.standard_normal(values.size))


def _ridge(terms: Floats, values: Floats) -> Floats:
    """Returns the slopes (terms,) of a ridge regression of values (n,) on terms (n, terms)."""
    normal = terms.T @ terms + RIDGE * np.eye(terms.shape[1])
    slopes: Floats = np.linalg.solve(normal, terms.T @ values).astype(np.float64)
    return slopes


def _terms(targets: Floats, sources: Floats, is_used: NDArray[np.bool_]) -> Floats:
    """Returns what weights may depend on, (out in, terms), in deviations over the network."""
    rows, columns = np.indices(is_used.shape).reshape(2, -1)
    values = np.column_stack([targets[rows], sources[columns]])
    deviations = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)
    values = np.clip(values, -LARGEST, LARGEST)
    first, second = np.triu_indices(values.shape[1])
    return np.column_stack([values, values[:, first] * values[:, second]])


def _scale(spec: PerceptronSpec, parameters: dict[str, Floats]) -> None:
    """Gives every layer's weights their initial root mean square, in place."""
    deviations, factor = standard_deviations(spec), 1.0
    for layer in spec.layers:
        weights = parameters[weight_name(layer)]
        own = deviations[weight_name(layer)] / np.sqrt(np.square(weights).mean())
        factor *= own
        weights *= own
        parameters[bias_name(layer)] *= factor

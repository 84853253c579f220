"""How likely it is that an untrained random network holds a given target."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from plantkit.networks import PerceptronSpec
from plantkit.planting.targets import Floats, Target
from plantkit.research.theory.budget import error_budget, normalized

#: Widths beyond this are not looked for.
MOST_WIDTH = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerExistence:
    """What one layer of a normalized target asks of a network.

    neurons: how many the target has. in_degree: the most non-zero parameters of one neuron, bias
    included. tolerance: see `error_budget`. log_match: natural logarithm of the probability that
    a given neuron of the network matches the target's neuron that is hardest to match.
    log_probability: natural logarithm of the layer's bound; minus infinity if it says nothing.
    """

    neurons: int
    in_degree: int
    tolerance: float
    log_match: float
    log_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Existence:
    """A lower bound for the probability that a random network holds a target as a ticket.

    layers: from the first to the outputs. log_probability: natural logarithm of the bound; minus
    infinity if it says nothing.
    """

    layers: tuple[LayerExistence, ...]
    log_probability: float

    @property
    def log_hidden(self) -> float:
        """Natural logarithm of the bound for the hidden layers alone, which width can raise."""
        return sum(layer.log_probability for layer in self.layers[:-1])


def existence(target: Target, spec: PerceptronSpec, epsilon: float, inputs: Floats) -> Existence:
    """Returns a lower bound for the probability that a random network holds `target`.

    The network is drawn by the He-scaled initial law. It holds the target if some mask makes it
    compute the target to within `epsilon` on `inputs`, up to one positive factor. In units of
    their standard deviations all its parameters are standard normal (Plant 'n' Seek, arXiv
    2111.11153, section on initialisation), so the target is normalized (`normalized`) and
    matched layer by layer: a neuron matches if each of its non-zero parameters is met to within
    the layer's `error_budget`, given which neurons stand for those before.

    Theorem 2 of the paper bounds the probability of a layer by 1 - sum_i (1 - (epsilon_l /
    2)^k_i)^n for target neurons with k_i parameters and n neurons in the network.

    Differs from the paper, so that the bound holds for the given network:
    - the probability of a match is the exact one for the target's own parameters; the paper's
      (epsilon_l / 2)^k is about that for parameters near 1;
    - each of a layer's t target neurons needs a match of its own; for t = 1 this is the paper's
      formula;
    - outputs cannot be chosen: each must match as it stands.
    A neuron would do at any positive scale. Planting uses this and the bound does not, so for
    relu the bound is far below the truth.

    Raises:
        ValueError: the target's depth or ends differ from the network's; see `error_budget`.
    """
    ends = (spec.depth, spec.inputs, spec.outputs)
    if (target.depth, target.widths[0], target.widths[-1]) != ends:
        raise ValueError(
            f"the target has widths {target.widths}; expected the depth, inputs and outputs of "
            f"the network's {spec.widths}"
        )
    small, factor = normalized(target)
    budgets = error_budget(small, epsilon / factor, inputs)
    layers = []
    for layer, tolerance in enumerate(budgets):
        matches = _log_matches(small, layer, tolerance)
        degrees = np.count_nonzero(small.weights[layer], axis=1) + (small.biases[layer] != 0)
        if layer == len(budgets) - 1:
            log_probability = float(matches.sum())
        else:
            log_probability = _log_all_matched(matches, spec.widths[layer + 1])
        layers.append(
            LayerExistence(
                neurons=len(matches),
                in_degree=int(degrees.max()),
                tolerance=tolerance,
                log_match=float(matches.min()),
                log_probability=log_probability,
            )
        )
    return Existence(
        layers=tuple(layers), log_probability=sum(found.log_probability for found in layers)
    )


def width_for(
    target: Target,
    spec: PerceptronSpec,
    epsilon: float,
    inputs: Floats,
    *,
    probability: float = 0.9,
) -> int | None:
    """Returns the least width at which the hidden layers match with `probability`, or None.

    All hidden layers get that width. None means that more than `MOST_WIDTH` would be needed.

    Args:
        spec: as for `existence`; the widths of its hidden layers do not matter.
        probability: in (0, 1).
    """
    wanted = math.log(probability)

    def is_enough(width: int) -> bool:
        wide = PerceptronSpec.uniform(
            depth=spec.depth, width=width, inputs=spec.inputs, outputs=spec.outputs
        )
        return existence(target, wide, epsilon, inputs).log_hidden >= wanted

    high = 1
    while not is_enough(high):
        high *= 2
        if high > MOST_WIDTH:
            return None
    low = high // 2  # is not enough, or zero
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _log_matches(target: Target, layer: int, tolerance: float) -> Floats:
    """Returns the log probabilities (neurons,) that a neuron of the network matches a target's."""
    values = np.column_stack([target.weights[layer], target.biases[layer]])
    # log(cdf(v + t) - cdf(v - t)), computed on the side of zero on which it is exact
    size = np.abs(values)
    high, low = special.log_ndtr(tolerance - size), special.log_ndtr(-tolerance - size)
    met = high + np.log(-np.expm1(low - high))
    return np.asarray(np.where(values != 0, met, 0.0).sum(axis=1))


def _log_all_matched(matches: Floats, width: int) -> float:
    """Returns the log of the better of two bounds for t target neurons among `width` neurons.

    Either each target neuron looks among width // t neurons of its own, or each has at least t
    matches among all neurons. Both leave every target neuron a match of its own.
    """
    wanted = len(matches)
    if wanted > width:
        return -math.inf
    chance, own = np.exp(matches), width // wanted
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(own * np.log1p(-chance)))
    # A chance too small for a float is taken to first order.
    apart = float(np.where(chance > 1e-300, exact, math.log(own) + matches).sum())
    missing = float(np.sum(stats.binom.cdf(wanted - 1, width, chance)))
    return max(apart, math.log1p(-missing) if missing < 1 else -math.inf)

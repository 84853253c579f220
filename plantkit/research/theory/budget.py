"""How far off the parameters of a target may be for its outputs to stay within epsilon."""

from __future__ import annotations

import math

import numpy as np

from plantkit.planting.targets import Floats, Target


def error_budget(target: Target, epsilon: float, inputs: Floats) -> tuple[float, ...]:
    """Returns the error that every entry of a layer may have, one number per layer.

    If every non-zero weight and bias of layer l is off by at most the layer's number, each output
    is off by at most `epsilon` on `inputs`. Lemma 1 of Plant 'n' Seek (arXiv 2111.11153), with L
    layers:

        epsilon_l = epsilon / (L sqrt(m_l) (1 + sup |x_(l-1)|_1) prod_(k>l) (|W_k| + epsilon / L))

    m_l is the number of the layer's non-zero parameters, |x|_1 the sum of the absolute
    activations that the layer reads, and |W| the largest sum of absolute values in a row.

    Differs from the paper: a layer gets at most epsilon / (L r_l), r_l the most non-zero weights
    in one of its rows. The proof replaces one layer at a time and needs the layers above, their
    own errors included, to have a norm of at most |W_k| + epsilon / L, which is r_k epsilon_k <=
    epsilon / L. Without that, a target whose later layers are nearly zero gets budgets far above
    1 and breaks the promise: see tests/research/test_theory.py.

    Args:
        target: any; its zeros are not in the mask and have no error.
        epsilon: above 0, in units of the outputs.
        inputs: (n, d_in), over which the supremum is taken.

    Raises:
        ValueError: epsilon is not above 0, or there are no inputs.
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}; expected a number above 0")
    if len(inputs) == 0:
        raise ValueError("no inputs were given; the supremum needs at least one")
    layers = len(target.weights)
    share = epsilon / layers
    activations = [inputs, *(np.maximum(z, 0) for z in target.preactivations(inputs)[:-1])]
    budgets = []
    above = 1.0  # the product over the layers above
    for weight, bias, read in zip(
        reversed(target.weights), reversed(target.biases), reversed(activations), strict=True
    ):
        entries = int(np.count_nonzero(weight)) + int(np.count_nonzero(bias))
        row = int(np.count_nonzero(weight, axis=1).max())
        reach = 1 + float(np.abs(read).sum(axis=1).max())
        lemma = share / (math.sqrt(max(entries, 1)) * reach * above)
        budgets.append(min(lemma, share / max(row, 1)))
        above *= float(np.abs(weight).sum(axis=1).max()) + share
    return tuple(reversed(budgets))


def normalized(target: Target) -> tuple[Target, float]:
    """Returns the target with all parameters in [-1, 1], and its outputs' factor.

    Every layer is divided by its largest absolute parameter, and its biases also by the factors
    of the layers before. ReLU networks are positively homogeneous, so the outputs are then the
    old ones divided by the product of all factors.

    Raises:
        ValueError: a layer has nothing but zeros.
    """
    factor = 1.0
    weights, biases = [], []
    for layer, (weight, bias) in enumerate(zip(target.weights, target.biases, strict=True)):
        largest = max(float(np.abs(weight).max()), float(np.abs(bias).max()) / factor)
        if largest == 0:
            raise ValueError(f"layer {layer} of the target has no parameter but zeros")
        weights.append(weight / largest)
        factor *= largest
        biases.append(bias / factor)
    return Target(weights=tuple(weights), biases=tuple(biases)), factor

"""From a secret seed to random streams, and to parameters drawn by the He-scaled initial law."""

from __future__ import annotations

import hashlib
import math
import secrets

import numpy as np

from plantkit.networks import Network, bias_name, weight_name
from plantkit.planting.targets import Floats

SEED_BYTES = 32


def fresh_seed() -> bytes:
    """Returns 32 bytes of the system's entropy."""
    return secrets.token_bytes(SEED_BYTES)


def generator(seed: bytes, purpose: str) -> np.random.Generator:
    """Returns the PCG64 stream of one purpose, keyed by SHA-256(seed || purpose).

    The streams of one seed share no state: whoever recovers the state of one, say from a
    network's untouched weights, learns nothing of the others.

    Args:
        seed: any bytes; secret ones come from `fresh_seed`.
        purpose: a short name such as `"initialization"`.
    """
    digest = hashlib.sha256(seed + purpose.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def standard_deviations(spec: Network) -> dict[str, float]:
    """Returns each parameter's initial standard deviation, by name (arXiv 2111.11153).

    Layer l (from 1) with n_{l-1} inputs has weights of variance 2 / n_{l-1} and biases of
    variance prod_{k<=l} 2 / n_{k-1}. Scaling the parameters of every layer accordingly
    scales the outputs by one factor, non-zero biases or not.

    A convolution has n = channels x kernel height x kernel width inputs. The product for a bias
    follows the main path; with shortcuts the outputs do not scale by one factor.
    """
    shapes, deviations = spec.shapes, dict[str, float]()
    cumulative: dict[int | None, float] = {None: 1.0}
    for layer in spec.layers:
        deviation = math.sqrt(2 / math.prod(shapes[weight_name(layer)][1:]))
        cumulative[layer] = cumulative[spec.preceding(layer)] * deviation
        deviations[weight_name(layer)] = deviation
        deviations[bias_name(layer)] = cumulative[layer]
    return deviations


def draw_parameters(spec: Network, rng: np.random.Generator) -> dict[str, Floats]:
    """Returns one draw of all parameters, by name, in their shapes, float64."""
    deviations = standard_deviations(spec)
    return {
        name: deviations[name] * rng.standard_normal(shape) for name, shape in spec.shapes.items()
    }

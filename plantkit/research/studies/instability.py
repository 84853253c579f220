"""How far apart two trained networks are: in their weights, and along the line between them.

References:
    arXiv 1903.01611 (distances), arXiv 1912.05671 (error barrier).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from plantkit.networks import Network, unflatten
from plantkit.networks.training import Samples
from plantkit.research.studies import digits, tickets

#: Points on the line between two networks, both ends counted.
ALPHAS = 30


def distance(first: Tensor, second: Tensor) -> float:
    """Returns the L2 distance of two vectors."""
    return float((first.double() - second.double()).norm())


def angle(first: Tensor, second: Tensor) -> float:
    """Returns the angle between two vectors in degrees, in [0, 180]; 90 if one is zero."""
    norms = first.double().norm() * second.double().norm()
    if norms == 0:
        return 90.0
    cosine = float(first.double() @ second.double() / norms)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def error_barrier(errors: Sequence[float]) -> float:
    """Returns the largest of the errors along a line, less the mean of the first and last."""
    return max(errors) - (errors[0] + errors[-1]) / 2


def errors_along(network: Network, first: Tensor, second: Tensor, data: Samples) -> list[float]:
    """Returns the test errors of `ALPHAS` networks on the line between two (total,) vectors."""
    alphas = torch.linspace(0.0, 1.0, ALPHAS).unsqueeze(1)
    line = (1 - alphas) * first + alphas * second
    return [1.0 - accuracy for accuracy in digits.accuracies(network, line, data)]


def kept_weights(network: Network, parameters: Tensor, mask: Mapping[str, Tensor]) -> Tensor:
    """Returns the weights, biases left out, that `mask` keeps of (total,) parameters."""
    named = unflatten(network, parameters)
    return torch.cat([named[name][mask[name]] for name in tickets.weight_names(network)])


def measures(
    network: Network,
    split: digits.Split,
    mask: Mapping[str, Tensor],
    trained: Sequence[Tensor],
    dense: Tensor,
) -> dict[str, float | None]:
    """Returns the distances, error barrier and accuracy of a subnetwork trained under two orders.

    Args:
        trained: two vectors (total,). dense: the dense network, trained under the first order.
    """
    first, second, whole = (
        kept_weights(network, parameters, mask) for parameters in (*trained, dense)
    )
    accuracy = digits.accuracies(network, torch.stack(list(trained)), split.test)
    return {
        "order_l2": distance(first, second),
        "order_angle": angle(first, second),
        "prune_l2": distance(first, whole),
        "prune_angle": angle(first, whole),
        "barrier": error_barrier(errors_along(network, trained[0], trained[1], split.test)),
        "accuracy": sum(accuracy) / len(accuracy),
    }

"""What the removal of each of a ticket's entries costs, on the training data.

Costs tell which entries matter. They come from the ticket, so they are as secret as it is. They are
computed when masks are scored, and cached only where the ticket lies open; a bundle does not hold
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plantkit.networks import PerceptronSpec
from plantkit.networks.masks import Mask
from plantkit.networks.subnetwork import Subnetwork
from plantkit.networks.tasks import Task
from plantkit.networks.training import Samples, single_threaded
from plantkit.networks.training.accuracy import trivial_accuracy

#: The costs, as shares of a ticket's gain, that a manifest counts entries by.
COUNTED = (0.1, 0.01, 0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalCosts:
    """What an untrained ticket loses without one entry, every one removed by itself.

    shares: of its gain over the constant predictor, by parameter name: float64 of the
        parameter's shape, clipped to [0, 1], and 0 outside of the ticket.
    trivial, ticket: the accuracies that the gain lies between, on the training data.
    """

    shares: Mapping[str, Tensor]
    trivial: float
    ticket: float

    def count(self, at_least: float) -> int:
        """Returns how many entries cost at least this share of the gain."""
        return sum(int((share >= at_least).sum()) for share in self.shares.values())

    def to_json(self) -> list[dict[str, Any]]:
        """Returns what a manifest says: how many entries cost at least so much.

        The counts tell how unique a ticket is: an entry that costs next to nothing could as well
        be another. They name no entry.
        """
        return [{"at_least": cost, "entries": self.count(cost)} for cost in COUNTED]


def removal_costs(
    spec: PerceptronSpec,
    task: Task,
    weights: Mapping[str, Tensor],
    ticket: Mask,
    train_data: Samples,
) -> RemovalCosts:
    """Returns what the removal of each entry of `ticket` costs.

    The network is judged as in the strong track, but on the training data.
    """

    def accuracy(outputs: Tensor) -> float:
        factors = task.output_factors(outputs, train_data.targets)
        found = float(task.accuracy(outputs * factors.unsqueeze(1), train_data.targets)[0])
        return -math.inf if math.isnan(found) else found

    shares = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in spec.shapes.items()}
    trivial = trivial_accuracy(task, train_data=train_data, test_data=train_data)
    with torch.no_grad(), single_threaded():
        network = Subnetwork(spec, weights, ticket)
        trace = network.traced(train_data.inputs)
        whole = accuracy(trace.outputs.unsqueeze(0))
        for place in network.entries if whole > trivial else ():
            lost = whole - accuracy(network.outputs_without(trace, place))
            name, index = network.parameter(place)
            shares[name][index] = min(1.0, max(0.0, lost / (whole - trivial)))
    return RemovalCosts(shares=shares, trivial=trivial, ticket=whole)

"""Factors of layers, so that signals of order one come out of each set of channels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from plantkit.networks import bias_name, weight_name
from plantkit.networks.channels import spaces
from plantkit.networks.execution import Runs, execute
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.steps import Placed
from plantkit.networks.training import single_threaded
from plantkit.planting.gates import Rejected


def levelling_gains(
    network: ImageNetwork, weights: Mapping[str, Tensor], inputs: Tensor
) -> dict[str, float]:
    """Returns a factor for each layer's weights, so that what layers make is of order one.

    The factor of a layer is its set of channels' scale over that of the set that it reads: so the
    network stays the same up to one factor.

    Args:
        network: whose biases are taken for zero.
        weights: by name.
        inputs: (n, inputs), images to measure on.

    Raises:
        Rejected: a layer makes nothing but zeros.
    """
    parameters = {name: value.unsqueeze(0) for name, value in weights.items()} | {
        bias_name(layer): torch.zeros(1, *network.shapes[bias_name(layer)])
        for layer in network.layers
    }
    runs = _Levelling(network, parameters)
    with torch.no_grad(), single_threaded():
        execute(network.plan, runs.image(inputs, network.image), runs)
    return {weight_name(layer): gain for layer, gain in runs.gains.items()}


class _Levelling(Runs):
    """Divides what the first layer of each set of channels makes by its root mean square."""

    def __init__(self, network: ImageNetwork, parameters: Mapping[str, Tensor]) -> None:
        super().__init__(parameters, in_training=False)
        self._layers = spaces(network.plan).of_layer
        self._scales = {0: 1.0}
        self.gains: dict[int, float] = {}

    def convolve(self, placed: Placed, value: Tensor) -> Tensor:
        return self._scaled(placed, super().convolve(placed, value))

    def linear(self, placed: Placed, value: Tensor) -> Tensor:
        return self._scaled(placed, super().linear(placed, value))

    def _scaled(self, placed: Placed, made: Tensor) -> Tensor:
        assert placed.layer is not None
        read, written = self._layers[placed.layer]
        if written not in self._scales:
            size = float(made.square().mean().sqrt())
            if not size > 0:
                raise Rejected("a layer of the ticket died")
            self._scales[written] = self._scales[read] / size
        self.gains[placed.layer] = self._scales[written] / self._scales[read]
        return made * self.gains[placed.layer]

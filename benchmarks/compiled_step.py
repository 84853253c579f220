"""The engine's step written in plain tensor operations, for torch.compile to make fast.

Backpropagation is written out as in the engine, and Adam too, since the compiler refuses the
fused Adam that writes in place. It is the yardstick for whether compilation would pay.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plantkit.networks import PerceptronSpec
from plantkit.networks.training import Recipe


class PlainStep:
    """Parameters (runs, *shape) of many runs of a classification, and a step of all of them."""

    def __init__(
        self, spec: PerceptronSpec, start: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> None:
        self._layers = len(spec.layers)
        self._masks = [mask.float() for mask in masks]
        self._parameters = [value * mask for value, mask in zip(start, self._masks, strict=True)]
        self._mean = [torch.zeros_like(value) for value in start]
        self._square = [torch.zeros_like(value) for value in start]
        self._rate = Recipe().learning_rate
        self._outputs = spec.outputs

    def __call__(self, inputs: Tensor, targets: Tensor, steps: Tensor) -> None:
        """Takes step number `steps` () on inputs (runs, batch, d_in), targets (runs, batch)."""
        parameters, masks = self._parameters, self._masks
        values: list[Tensor] = []
        hidden = inputs
        for layer in range(self._layers):
            weight, bias = parameters[2 * layer], parameters[2 * layer + 1]
            hidden = torch.baddbmm(bias.unsqueeze(1), hidden, weight.transpose(1, 2))
            if layer < self._layers - 1:
                hidden = hidden.relu()
            values.append(hidden)
        wanted = nn.functional.one_hot(targets, self._outputs)
        delta = (values[-1].softmax(-1) - wanted) / inputs.shape[1]  # (runs, batch, out)
        gradients = [torch.empty(0)] * len(parameters)
        for layer in reversed(range(self._layers)):
            below = values[layer - 1] if layer else inputs
            gradients[2 * layer] = torch.bmm(delta.transpose(1, 2), below) * masks[2 * layer]
            gradients[2 * layer + 1] = delta.sum(1) * masks[2 * layer + 1]
            if layer:
                delta = torch.bmm(delta, parameters[2 * layer]) * (values[layer - 1] > 0)
        first, second = 1 - 0.9**steps, 1 - 0.999**steps
        for value, gradient, mean, square in zip(
            parameters, gradients, self._mean, self._square, strict=True
        ):
            mean.lerp_(gradient, 0.1)
            square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            value.sub_(self._rate * (mean / first) / ((square / second).sqrt() + 1e-8))

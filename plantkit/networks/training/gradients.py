"""The gradients of many runs at once: written out for perceptrons, else by autograd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from plantkit.networks import Network, PerceptronSpec, bias_name, weight_name
from plantkit.networks.tasks import Task


class Gradients(Protocol):
    """Writes the gradient of every run's mean loss into buffers made beforehand."""

    #: Whether a step may be captured as a CUDA graph.
    is_capturable: bool

    def __call__(self, inputs: Tensor, targets: Tensor) -> None:
        """inputs: (runs, count, d_in). targets: (runs, count) or (runs, count, outputs)."""
        ...


def make_gradients(
    network: Network, task: Task, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
) -> Gradients:
    """Returns what computes the gradients of `parameters`, name to (runs, *shape), in place."""
    if isinstance(network, PerceptronSpec):
        return WrittenOut(network, task, parameters, gradients)
    return Autograd(network, task, parameters, gradients)


class WrittenOut:
    """Backpropagation through a multilayer perceptron, which allocates next to nothing."""

    is_capturable = True

    def __init__(
        self,
        spec: PerceptronSpec,
        task: Task,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
    ) -> None:
        self._spec = spec
        self._task = task
        self._weights = [parameters[weight_name(layer)] for layer in spec.layers]
        self._transposed = [weight.transpose(1, 2) for weight in self._weights]
        self._biases = [parameters[bias_name(layer)].unsqueeze(1) for layer in spec.layers]
        self._weight_gradients = [gradients[weight_name(layer)] for layer in spec.layers]
        self._bias_gradients = [gradients[bias_name(layer)] for layer in spec.layers]
        self._memory: dict[int, tuple[list[Tensor], list[Tensor]]] = {}

    def __call__(self, inputs: Tensor, targets: Tensor) -> None:
        (values, deltas), last = self._buffers(inputs), self._spec.layers[-1]
        below = inputs
        for layer in self._spec.layers:
            value = values[layer]  # (runs, count, out)
            torch.baddbmm(self._biases[layer], below, self._transposed[layer], out=value)
            if layer < last:
                value.relu_()
            below = value
        delta = self._task.loss_gradient(values[last], targets)  # (runs, count, out)
        for layer in reversed(self._spec.layers):
            below = values[layer - 1] if layer else inputs
            torch.bmm(delta.transpose(1, 2), below, out=self._weight_gradients[layer])
            torch.sum(delta, dim=1, out=self._bias_gradients[layer])
            if layer:
                torch.bmm(delta, self._weights[layer], out=deltas[layer - 1])
                delta = deltas[layer - 1]
                torch.ops.aten.threshold_backward.grad_input(delta, below, 0, grad_input=delta)

    def _buffers(self, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Returns memory for the values and for their derivatives, one for each batch length."""
        runs, count = inputs.shape[:2]
        if count not in self._memory:
            widths = self._spec.widths[1:]
            values = [torch.empty(runs, count, width, device=inputs.device) for width in widths]
            deltas = [
                torch.empty(runs, count, width, device=inputs.device) for width in widths[:-1]
            ]
            self._memory[count] = values, deltas
        return self._memory[count]


class Autograd:
    """Backpropagation through any network, by torch's autograd over the batched forward pass."""

    is_capturable = False

    def __init__(
        self,
        network: Network,
        task: Task,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
    ) -> None:
        self._network = network
        self._task = task
        # Leaves that share the parameters' memory: Adam moves them in place.
        self._leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        self._gradients = gradients

    def __call__(self, inputs: Tensor, targets: Tensor) -> None:
        with torch.enable_grad():
            outputs = self._network.forward_runs(self._leaves, inputs)  # (runs, count, outputs)
        found = torch.autograd.grad(
            outputs,
            list(self._leaves.values()),
            self._task.loss_gradient(outputs.detach(), targets),
        )
        for name, gradient in zip(self._leaves, found, strict=True):
            self._gradients[name].copy_(gradient)

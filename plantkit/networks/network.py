"""What every kind of network offers, with defaults that serve any kind.

The parameters of every kind are named `layers.{i}.weight` and `layers.{i}.bias`, i from 0. A
layer's bias has one entry for each of the layer's outputs; a kind may leave biases out. Inputs
are flat: (n, inputs).
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call

from plantkit.networks.buffers import Backpropagation, Blocks, Layout
from plantkit.networks.tasks import Task
from plantkit.networks.wiring import Wiring, chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(ABC):
    """The specification of a network: its shape without its parameters.

    A kind of network is one module of this package: a frozen dataclass with a name of its own
    in `kind`, listed in `plantkit.networks.KINDS`. It must define what is abstract here. The
    rest has defaults that a kind replaces where it can do better.
    """

    #: The name in JSON; lower-case letters.
    kind: ClassVar[str]

    #: Whether a GPU may record a training step as a CUDA graph: `backpropagation` then allocates
    #: no memory after its first call.
    is_capturable: ClassVar[bool] = False

    @property
    @abstractmethod
    def inputs(self) -> int:
        """How many numbers one sample has."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers come out for one sample."""

    @property
    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter name to shape, in the order in which parameters are flattened."""

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name for tables."""

    @abstractmethod
    def empty_module(self) -> nn.Module:
        """Returns a torch module that maps (n, inputs) to (n, outputs), with any parameters."""

    def to_json(self) -> dict[str, Any]:
        """Returns the specification as JSON; `kind` says which kind reads it."""
        return {"kind": self.kind, **json.loads(json.dumps(asdict(self)))}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Returns the specification that `to_json` wrote; what is absent has its default.

        Raises:
            ValueError: JSON of another kind, or sizes that do not make a network.
        """
        if value.get("kind") != cls.kind:
            raise ValueError(f"network kind is {value.get('kind')!r}; expected {cls.kind!r}")
        return cls(
            **{
                field.name: value[field.name]
                for field in fields(cls)
                if field.name in value or field.default is MISSING
            }
        )

    def forward_runs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Returns the outputs (runs, n, outputs) of many networks of this shape.

        Args:
            parameters: name to tensors with an axis of runs before the parameter's own.
            inputs: (n, inputs), shared by the runs, or (runs, n, inputs).
        """
        with torch.device("meta"):  # allocates nothing and draws nothing
            module = self.empty_module()
        outputs: Tensor = torch.vmap(
            lambda own, seen: functional_call(module, own, (seen,)),
            in_dims=(0, 0 if inputs.dim() == 3 else None),
        )(dict(parameters), inputs)
        return outputs

    def training_forward(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Returns what `forward_runs` does, as it is in a training step.

        A kind that normalises by the statistics of the batch does so here, and here alone.
        """
        return self.forward_runs(parameters, inputs)

    def settled(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> dict[str, Tensor]:
        """Returns the parameters with which `forward_runs` is the trained network.

        A kind that normalises in training puts the statistics of the training data into its
        parameters; the others have nothing to do.

        Args:
            parameters: as they are after training, with an axis of runs before their own.
            inputs: (n, inputs), of the training data.
        """
        return dict(parameters)

    def take_statistics(self, module: nn.Module, inputs: Tensor) -> None:  # noqa: B027
        """Gives a module of this network the statistics that `settled` uses.

        Args:
            inputs: (n, inputs), of the training data.
        """

    def connected(self, mask: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the kept parameters, as bool tensors, that lie on a path through the network.

        A path leads from an input to an output over kept weights. A bias lies on the paths of
        its unit. The default counts paths in float64: there must be fewer than 1e308. With
        positive inputs, positive weights and no biases, outputs must have a positive derivative
        by every weight on a path. ReLU is fine; a max pooling is not.
        """
        with torch.device("meta"):
            module = self.empty_module()
        weights, biases = {}, {}
        for name, shape in self.shapes.items():
            if len(shape) > 1:
                weights[name] = mask[name].double().requires_grad_()
            else:
                biases[name] = torch.zeros(shape, dtype=torch.float64)
        inputs = torch.ones(1, self.inputs, dtype=torch.float64)
        outputs = functional_call(module, weights | biases, (inputs,))
        paths = torch.autograd.grad(outputs.sum(), list(weights.values()))
        found = {name: mask[name] & (count > 0) for name, count in zip(weights, paths, strict=True)}
        for name in biases:
            found[name] = mask[name] & found[f"{layer_of(name)}.weight"].flatten(1).any(dim=1)
        return {name: found[name] for name in self.shapes}

    def backpropagation(
        self, task: Task, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
    ) -> Backpropagation:
        """Returns what writes the gradients of `parameters` into `gradients`.

        Both map names to tensors with an axis of runs before the parameter's own; they keep their
        memory while training moves them. What is returned is called in torch's inference mode:
        autograd takes copies of tensors, outside of it, as the default does, which is autograd
        over `training_forward`.
        """

        def backpropagate(inputs: Tensor, targets: Tensor) -> None:
            # The trainer works in inference mode, whose tensors autograd takes as copies only.
            with torch.inference_mode(False), torch.enable_grad():
                leaves = {
                    name: value.clone().requires_grad_() for name, value in parameters.items()
                }
                outputs = self.training_forward(leaves, inputs.clone())  # (runs, count, outputs)
                found = torch.autograd.grad(
                    outputs, list(leaves.values()), task.loss_gradient(outputs.detach(), targets)
                )
            for name, gradient in zip(leaves, found, strict=True):
                gradients[name].copy_(gradient)

        return backpropagate

    def layout(self, masks: Tensor) -> Layout:
        """Returns how the trainer keeps the parameters of runs with these masks (runs, total).

        They are on the device that trains. The default has every parameter, kept or not.
        """
        return Blocks(self.shapes, masks, self.backpropagation)

    @property
    def least_runs(self) -> int:
        """How many runs must train together so that their number does not change their results."""
        return 1

    def cut(self, masks: Tensor) -> list[Network]:
        """Returns the network that each of the masks (runs, total) bool is trained in.

        A kind may cut away units that cannot learn. What it returns for a run must depend on
        that run's mask alone: a matrix product of another shape may round its sums in another
        order. The default cuts nothing.
        """
        return [self] * len(masks)

    def places(self, masks: Tensor, small: Network) -> Tensor:
        """Returns where the parameters of `small` lie in this network: (runs, small.total) int64.

        `total` stands for a parameter of `small` that has no counterpart: it is zero and stays so.

        Args:
            masks: (runs, total) bool, those for which `cut` returned `small`.
        """
        return torch.arange(self.total).expand(len(masks), -1)

    @property
    def wiring(self) -> Wiring:
        """Which channels each layer joins. By default each layer reads the one before."""
        return chain(self.shapes[weight_name(layer)] for layer in self.layers)

    @property
    def layers(self) -> range:
        """Indices of the layers of parameters."""
        return range(len({layer_of(name) for name in self.shapes}))

    def preceding(self, layer: int) -> int | None:
        """Returns the layer whose outputs `layer` reads; None for the inputs.

        With shortcuts it is the last one that is added, on the main path.
        """
        return layer - 1 if layer else None

    def main_layer(self, layer: int) -> int:
        """Returns the layer whose outputs those of `layer` are added to.

        It is `layer` itself on the main path, where a network without shortcuts has all layers.
        """
        return layer

    @property
    def depth(self) -> int:
        """Number of layers of neurons, input and output included."""
        return len(self.layers) + 1

    @property
    def sizes(self) -> dict[str, int]:
        """Parameter name to number of entries."""
        return {name: math.prod(shape) for name, shape in self.shapes.items()}

    @property
    def total(self) -> int:
        """Number of prunable parameters: all weights and all biases."""
        return sum(self.sizes.values())

    @property
    def activations(self) -> int:
        """About how many numbers the layers make of one sample; training keeps all of them."""
        return sum(shape[0] for shape in self.shapes.values() if len(shape) > 1)

    @property
    def held(self) -> int:
        """About how many parameters of a run the trainer keeps on the CPU."""
        return self.total

    @property
    def work(self) -> float:
        """About how long one sample takes, in weights of a perceptron that would take as long."""
        return float(self.total)


def weight_name(layer: int) -> str:
    return f"layers.{layer}.weight"


def bias_name(layer: int) -> str:
    return f"layers.{layer}.bias"


def layer_of(name: str) -> str:
    """Returns the layer that a parameter belongs to: `layers.1` for `layers.1.bias`."""
    return name.rpartition(".")[0]


def layer_number(name: str) -> int:
    """Returns the index of the layer that a parameter belongs to: 1 for `layers.1.bias`."""
    return int(layer_of(name).rpartition(".")[2])


def build_module(network: Network, weights: Mapping[str, Tensor]) -> nn.Module:
    """Returns a fresh module of `network` whose parameters are copies of `weights`."""
    with torch.random.fork_rng(devices=[]):  # torch's layers draw from the global generator
        module = network.empty_module()
    module.load_state_dict({name: weights[name].detach().clone() for name in network.shapes})
    return module


def flatten(network: Network, parameters: Mapping[str, Tensor]) -> Tensor:
    """Returns the parameters as one vector (..., total) in the order of `network.shapes`.

    Leading axes beyond a parameter's own shape are kept: (runs, out, in) and (runs, out) give
    (runs, total).
    """
    rows = []
    for name, shape in network.shapes.items():
        value = parameters[name]
        rows.append(value.reshape(*value.shape[: value.dim() - len(shape)], -1))
    return torch.cat(rows, dim=-1)


def unflatten(network: Network, vector: Tensor) -> dict[str, Tensor]:
    """Returns views of `vector` (..., total), by parameter name and in its shape."""
    pieces = torch.split(vector, list(network.sizes.values()), dim=-1)
    return {
        name: piece.view(*piece.shape[:-1], *shape)
        for (name, shape), piece in zip(network.shapes.items(), pieces, strict=True)
    }

"""A network whose weights stay fixed while a mask over them is learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from plantkit.networks import build_module, flatten, unflatten
from plantkit.networks.training import Samples
from plantkit.pruners.problem import Problem


class FrozenNetwork:
    """The initial network of a problem under masks, or gates, that gradients flow into.

    Parameters are one vector in the order of `problem.network.shapes`: all weights and biases.
    Trained weights hold the statistics of batch normalisation; see `Network.settled`.

    Attributes:
        spec: the network's specification.
        weights: (total,) float32, the problem's parameters, settled if they are trained.
        log_sharpness: (), the logarithm of a factor on the outputs, which a search may learn
            together with its mask; see `loss`.
    """

    def __init__(self, problem: Problem) -> None:
        self.spec = problem.network
        self._train = problem.train
        self.weights = flatten(self.spec, problem.weights)
        if problem.is_trained:
            run = unflatten(self.spec, self.weights.unsqueeze(0))
            self.weights = flatten(self.spec, self.spec.settled(run, self._train.inputs))[0]
        self.log_sharpness = torch.zeros((), requires_grad=True)
        self._module = build_module(self.spec, self.named(self.weights))
        self._task = problem.task

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """Returns views of `vector` (..., total), by parameter name and in its shape."""
        return unflatten(self.spec, vector)

    def outputs(self, kept: Tensor, inputs: Tensor) -> Tensor:
        """Returns the outputs (n, d_out) of the network whose parameters are weights x `kept`.

        kept: (total,), in [0, 1].
        """
        parameters = self.named(self.weights * kept)
        outputs: Tensor = functional_call(self._module, parameters, (inputs,))
        return outputs

    def outputs_of_runs(self, kept: Tensor, inputs: Tensor) -> Tensor:
        """Returns the outputs (runs, n, d_out) under many masks; `kept` is (runs, total)."""
        return self.spec.forward_runs(self.named(self.weights * kept), inputs)

    def traced(
        self, kept: Tensor, inputs: Tensor
    ) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
        """Returns what `outputs` does, and what linear layers read (n, in) and compute (n, out).

        The layers have the names of their weights. A layer computes sums, before any ReLU.
        """
        layers: dict[str, tuple[Tensor, Tensor]] = {}

        def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
            def hook(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
                layers[f"{name}.weight"] = given[0], made

            return hook

        hooks = [
            module.register_forward_hook(note(name))
            for name, module in self._module.named_modules()
            if isinstance(module, nn.Linear)
        ]
        try:
            return self.outputs(kept, inputs), layers
        finally:
            for hook in hooks:
                hook.remove()

    def slopes(self, kept: Tensor, inputs: Tensor, pulls: Tensor) -> Tensor:
        """Returns the derivative (n, total) of each sample's outputs, times `pulls`, by `kept`.

        pulls: (n, d_out), factors of each sample's outputs, which are then added up.
        """

        def pulled(kept: Tensor, sample: Tensor, pull: Tensor) -> Tensor:
            return (self.outputs(kept, sample.unsqueeze(0))[0] * pull).sum()

        slopes: Tensor = vmap(grad(pulled), in_dims=(None, 0, 0))(kept, inputs, pulls)
        return slopes

    def narrowed(self, mask: Tensor) -> tuple[FrozenNetwork, Tensor]:
        """Returns the network without what `mask` leaves idle, and where its parameters lie.

        The places are (total of the narrow network,) int64; the wide network's `total` stands
        for a parameter without a counterpart, which is zero. A mask that keeps nothing but what
        has a place has the same outputs in both networks.

        mask: (total,) bool.
        """
        [spec] = self.spec.cut(mask.unsqueeze(0))
        [places] = self.spec.places(mask.unsqueeze(0), spec)
        narrow = copy(self)
        narrow.spec = spec
        narrow.weights = torch.cat([self.weights, self.weights.new_zeros(1)])[places]
        narrow._module = build_module(spec, unflatten(spec, narrow.weights))
        return narrow, places

    def loss(self, kept: Tensor, batch: Samples) -> Tensor:
        """Returns the loss () of the masked network on `batch`; the outputs' scale has no effect.

        It judges outputs as strong accuracy does; see `Task.scale_free_loss`.
        """
        return self._task.scale_free_loss(
            self.outputs(kept, batch.inputs), batch.targets, sharpness=self.log_sharpness.exp()
        )

    def batches(self, count: int, size: int, generator: torch.Generator) -> Iterator[Samples]:
        """Yields `count` batches of at most `size` training samples, reshuffled in every epoch."""
        made = 0
        while made < count:
            order = torch.randperm(len(self._train), generator=generator)
            for places in torch.split(order, size)[: count - made]:
                made += 1
                yield Samples(
                    inputs=self._train.inputs[places], targets=self._train.targets[places]
                )

    def accuracy(self, kept: Tensor) -> float:
        """Returns how well the masked network does on the training data, untrained.

        It is accuracy, or R² with the least-squares factor of every output; at most 1.
        """
        data = self._train
        with torch.no_grad():
            outputs = self.outputs(kept, data.inputs).unsqueeze(0)
            targets = data.targets.unsqueeze(0)
            factors = self._task.output_factors(outputs, targets)
            scaled = outputs.double() * factors.unsqueeze(1)
            return float(self._task.accuracy(scaled, targets)[0])

    #: The old name, for plugins that use it.
    performance = accuracy

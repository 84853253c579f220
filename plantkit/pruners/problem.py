"""The public half of a challenge: all that a pruner may see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from plantkit.networks import Network, build_module, unflatten
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import Task
from plantkit.networks.training import Recipe, Run, Samples, trace
from plantkit.pruners.answers import mask_of


class Problem:
    """What a pruner is given: initial weights, training data, and how many parameters to keep.

    Everything handed out is a fresh copy, so that a pruner may change it as it likes.

    Attributes:
        name: the challenge's id.
        network: the network's specification (`shapes`, `total`, `inputs`, `outputs`; its `kind`
            says what else it has, such as `widths`).
        task: `task.kind` is "classification" or "regression", `task.outputs` a number.
        density: the requested density, in (0, 1].
        seed: the seed of this run; the same seed must give the same mask.
        recipe: the training recipe that scores the mask's weak performance.
        is_trained: whether the weights come from training; see `module`.
    """

    __slots__ = (
        "_train",
        "_weights",
        "density",
        "is_trained",
        "name",
        "network",
        "recipe",
        "seed",
        "task",
    )

    def __init__(
        self,
        *,
        name: str,
        network: Network,
        task: Task,
        weights: Mapping[str, Tensor],
        train: Samples,
        density: float,
        seed: int = 0,
        recipe: Recipe | None = None,
        is_trained: bool = False,
    ) -> None:
        self.name = name
        self.network = network
        self.task = task
        self.density = density
        self.seed = seed
        self.recipe = Recipe() if recipe is None else recipe
        self.is_trained = is_trained
        self._weights = {key: weights[key].detach().clone() for key in network.shapes}
        self._train = Samples(inputs=train.inputs.clone(), targets=train.targets.clone())

    def __repr__(self) -> str:
        return f"Problem({self.name!r}, density={self.density:.4g}, budget={self.budget})"

    @property
    def weights(self) -> dict[str, Tensor]:
        """Initial parameters, name to float32 tensor: a fresh copy each time."""
        return {name: value.clone() for name, value in self._weights.items()}

    @property
    def train(self) -> Samples:
        """Training data: `inputs` (n, d_in) float32, `targets` (n,) int64 or (n, d_out) float32.

        Images are given flat, channel by channel and row by row, as `module()` takes them.
        """
        return Samples(inputs=self._train.inputs.clone(), targets=self._train.targets.clone())

    @property
    def budget(self) -> int:
        """The most parameters that a mask may keep: floor(density x total)."""
        return budget_of(self.density, self.network.total)

    @property
    def generator(self) -> torch.Generator:
        """A fresh torch generator, seeded by `seed` and the problem's name."""
        digest = hashlib.sha256(f"{self.name}\0{self.seed}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def module(self) -> nn.Module:
        """Returns a fresh torch module of the network with its weights.

        Batch normalisation is the identity there for initial weights; for trained ones it has the
        statistics of the training data.
        """
        module = build_module(self.network, self._weights)
        if self.is_trained:
            self.network.take_statistics(module, self._train.inputs)
        return module

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Returns the task's mean loss (): cross entropy, or mean squared error."""
        return self.task.loss(outputs, targets)

    def fit(
        self,
        mask: Mapping[str, Any] | nn.Module,
        *,
        epochs: int | None = None,
        start: Mapping[str, Tensor] | None = None,
        seed: int | None = None,
        first_step: int = 0,
        last_step: int | None = None,
    ) -> dict[str, Tensor]:
        """Returns the parameters after training under `mask`, name to float32 tensor.

        A training can be done in parts: after `early = fit(mask, last_step=100)`,
        `fit(mask, start=early, first_step=100)` goes on with the samples that come next.

        Args:
            mask: 0/1 tensors of the parameters' names and shapes, of any density; or a module
                that torch.nn.utils.prune has pruned.
            epochs: passes over the training data; the recipe's number if None.
            start: parameters to start from; the initial weights if None.
            seed: seed of the data order; the problem's seed if None.
            first_step: steps of the training that `start` has behind it. The optimizer's
                moments start at zero all the same.
            last_step: the step to end with; the training's last one if None.

        Raises:
            MaskError: wrong names, shapes or values.
            ValueError: steps that the training does not have.
        """
        checked = mask_of(mask, self.network, self.network.total)
        recipe = self.recipe if epochs is None else replace(self.recipe, epochs=epochs)
        run = Run(
            start=self._weights if start is None else start,
            mask=checked,
            seed=self.seed if seed is None else seed,
        )
        end = recipe.steps(len(self._train)) if last_step is None else last_step
        traced = trace(
            self.network, self.task, self._train, [run], recipe, steps=[end], first_step=first_step
        )
        return unflatten(self.network, traced[0, 0])

    def at(self, *, density: float, seed: int) -> Problem:
        """Returns the same problem for another density and seed."""
        return self._replaced(density=density, seed=seed)

    def with_weights(
        self, weights: Mapping[str, Tensor], *, trained: bool | None = None
    ) -> Problem:
        """Returns the same problem with other weights in place of its own.

        Args:
            trained: whether they come from training; as it was before if None.

        Raises:
            ValueError: a parameter is missing or has another shape.
        """
        for name, shape in self.network.shapes.items():
            found = tuple(weights[name].shape) if name in weights else None
            if found != shape:
                raise ValueError(f"weights of {name!r} have shape {found}; expected {shape}")
        is_trained = self.is_trained if trained is None else trained
        return self._replaced(weights=weights, is_trained=is_trained)

    def full_mask(self) -> Mask:
        """Returns the mask that keeps every parameter."""
        return Mask.full(self.network)

    def _replaced(self, **changes: Any) -> Problem:
        same = {name.lstrip("_"): getattr(self, name) for name in Problem.__slots__}
        return Problem(**(same | changes))

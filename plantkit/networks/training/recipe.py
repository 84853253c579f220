"""What a training run is made of: samples, a recipe, a start, a mask and a seed.

References:
    arXiv 1512.03385, section 4.2, for what a `Descent` does on CIFAR-10: momentum, weight decay,
        drops of the rate, and images that are mirrored and moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Data: inputs (n, d_in) float32; targets (n,) int64 classes or (n, d_out) float32.

    Images are flat, channel by channel and row by row.
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: str) -> Samples:
        """Returns the samples on `device`; tensors that are there already are not copied."""
        return Samples(inputs=self.inputs.to(device), targets=self.targets.to(device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training recipe: Adam with a fixed learning rate, the paper's by default.

    Betas are 0.9 and 0.999, epsilon is 1e-8, and there is no weight decay. Every epoch goes
    through all samples once, in a new order; its last batch may be smaller.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001

    def steps(self, samples: int) -> int:
        """Returns how many steps a training on this many samples takes."""
        return self.epochs * -(-samples // self.batch_size)

    def to_json(self) -> dict[str, Any]:
        return {
            "optimizer": "adam",
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        if value.get("optimizer") != "adam":
            raise ValueError(f"optimizer is {value.get('optimizer')!r}; expected 'adam'")
        return cls(
            epochs=value["epochs"],
            batch_size=value["batch_size"],
            learning_rate=value["learning_rate"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent(Recipe):
    """Stochastic gradient descent with momentum, for studies that follow papers which use it.

    Attributes:
        momentum: share of the last step that the next one adds.
        weight_decay: what it subtracts of each parameter, times the rate.
        drops: numbers of steps after which the rate is a tenth of what it was.
        shift: most pixels by which an image is moved each time it is seen; zeros come in.
        mirrored: whether half of the images are mirrored each time.
    """

    momentum: float = 0.9
    weight_decay: float = 0.0
    drops: tuple[int, ...] = ()
    shift: int = 0
    mirrored: bool = False

    def rate(self, step: int) -> float:
        """Returns the learning rate of the step after so many."""
        return float(self.learning_rate * 0.1 ** sum(step >= drop for drop in self.drops))

    @property
    def varies(self) -> bool:
        """Whether images look different each time."""
        return self.shift > 0 or self.mirrored

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "optimizer": "sgd", "drops": list(self.drops)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run: where it starts, what it keeps, and the seed of its data order.

    start: parameter name to tensor, not yet masked. mask: name to bool tensor.
    """

    start: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    seed: int


def data_order(seed: int, epoch: int, count: int) -> Tensor:
    """Returns the order (count,) int64 in which a run of `seed` sees the samples in `epoch`."""
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    return torch.from_numpy(generator.permutation(count))

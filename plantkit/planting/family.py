"""What a target family must give: a target for every depth, its data and its formula."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import UsageError
from plantkit.planting.targets import Floats, Target
from plantkit.tasks import TaskKind

MINIMUM_DEPTH = 3

Samples = tuple[NDArray[np.float32], NDArray[np.float32] | NDArray[np.int64]]


class Family(ABC):
    """A function, its construction as a small ReLU network of any depth, and its data.

    Inputs are uniform in [-1, 1]^d_in. A family is stateless; it is registered in
    `plantkit.planting.families`.

    Attributes:
        name: as in challenge ids, `<family>-<depth>x<width>`.
        title: one line for people.
        inputs, outputs: d_in and d_out (classes in classification).
        kind: of the task.
        default_noise: regression: standard deviation of the Gaussian noise on the targets;
            classification: share of labels moved, in [0, 1].
        overlap_scored: whether a mask's overlap with the ticket counts; False where other
            tickets are known that are as sparse and as good.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    inputs: ClassVar[int]
    outputs: ClassVar[int]
    kind: ClassVar[TaskKind]
    default_noise: ClassVar[float] = 0.01
    overlap_scored: ClassVar[bool] = True
    minimum_depth: ClassVar[int] = MINIMUM_DEPTH

    def build(self, depth: int) -> Target:
        """Returns the nominal target, as constructed, with `depth` layers of neurons.

        Raises:
            UsageError: `depth` is below `minimum_depth`.
        """
        if depth < self.minimum_depth:
            raise UsageError(
                f"target {self.name!r} needs a depth of at least {self.minimum_depth} layers of "
                f"neurons, input and output included; got {depth}"
            )
        return self._build(depth)

    @abstractmethod
    def _build(self, depth: int) -> Target:
        """Returns the nominal target; `depth` has been checked."""

    @abstractmethod
    def domain(self) -> Floats:
        """Returns inputs (n, d_in) that cover the data's domain densely, ends included."""

    @abstractmethod
    def truth(self, inputs: Floats) -> NDArray[np.float64] | NDArray[np.int64]:
        """Returns the formula's values (n, d_out) float64, or classes (n,) int64."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, count: int, noise: float | None = None) -> Samples:
        """Returns `count` inputs and their noisy targets.

        Args:
            rng: source of the inputs and of the noise.
            count: number of samples n.
            noise: see `default_noise`, which None stands for.

        Returns:
            inputs (n, d_in) float32, and targets: (n, d_out) float32 or (n,) int64 classes.

        Raises:
            UsageError: the noise is negative, or a share above 1.
        """

    def _sample_inputs(self, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
        return rng.uniform(-1, 1, size=(count, self.inputs)).astype(np.float32)

    def _noise(self, noise: float | None) -> float:
        """Returns the noise level, the default one for None, after a check of its range."""
        if noise is None:
            return self.default_noise
        highest = 1.0 if self.kind is TaskKind.CLASSIFICATION else math.inf
        if not 0 <= noise <= highest:
            raise UsageError(f"noise of {self.name!r} is {noise}; expected 0 to {highest}")
        return noise


class LineFamily(Family):
    """A regression family over x in [-1, 1], with Gaussian noise."""

    inputs: ClassVar[int] = 1
    kind: ClassVar[TaskKind] = TaskKind.REGRESSION
    domain_points: ClassVar[int] = 2001

    def domain(self) -> Floats:
        return np.linspace(-1, 1, self.domain_points)[:, None]

    def sample(self, rng: np.random.Generator, count: int, noise: float | None = None) -> Samples:
        inputs = self._sample_inputs(rng, count)
        values = self.truth(inputs.astype(np.float64))
        noisy = values + self._noise(noise) * rng.standard_normal(values.shape)
        return inputs, noisy.astype(np.float32)

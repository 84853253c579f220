"""What a family must give: its ends, its domain, its noise; with a formula, also a target."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import UsageError
from plantkit.networks.tasks import TaskKind
from plantkit.planting.targets import Floats, Target

MINIMUM_DEPTH = 3

Samples = tuple[NDArray[np.float32], NDArray[np.float32] | NDArray[np.int64]]

Dials = Mapping[str, int | float | str]


class Family(ABC):
    """What a challenge is about. Inputs are uniform in [-1, 1]^d_in.

    A family is registered in `plantkit.planting.families`. How a ticket of it comes into a
    network is for a planting method to say (`plantkit.planting.methods`).

    Attributes:
        name: as in challenge ids, `<family>-<depth>x<width>`.
        title: one line for people.
        inputs, outputs: d_in and d_out (classes in classification).
        kind: of the task.
        default_noise: regression: standard deviation of the Gaussian noise on the targets;
            classification: share of labels moved, in [0, 1].
        overlap_scored: whether a mask's overlap with the ticket counts; False where other
            tickets are known that are as sparse and as good.
        minimum_depth: in layers of neurons, input and output included.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    default_noise: ClassVar[float] = 0.01
    overlap_scored: ClassVar[bool] = True
    minimum_depth: ClassVar[int] = MINIMUM_DEPTH
    inputs: int
    outputs: int
    kind: TaskKind

    @abstractmethod
    def domain(self) -> Floats:
        """Returns inputs (n, d_in) that cover the data's domain densely, ends included."""

    @property
    def dials(self) -> Dials:
        """What `with_dials` can change, by name, with the values in force."""
        return {}

    def with_dials(self, dials: Mapping[str, str]) -> Family:
        """Returns the family with these dials set, the others as they are.

        Args:
            dials: name to text, as typed by a person.

        Raises:
            UsageError: a dial does not exist here, or a value is out of its range.
        """
        for name in dials:
            known = ", ".join(self.dials) or "it has none"
            raise UsageError(f"family {self.name!r} has no dial {name!r}; its dials: {known}")
        return self

    def check_depth(self, depth: int) -> None:
        """Checks that a network of `depth` layers of neurons is deep enough.

        Raises:
            UsageError: it is below `minimum_depth`.
        """
        if depth < self.minimum_depth:
            raise UsageError(
                f"target {self.name!r} needs a depth of at least {self.minimum_depth} layers of "
                f"neurons, input and output included; got {depth}"
            )

    def sample_inputs(self, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Returns `count` inputs (count, d_in) float32."""
        return rng.uniform(-1, 1, size=(count, self.inputs)).astype(np.float32)

    def noise_level(self, noise: float | None) -> float:
        """Returns the noise level, the default one for None.

        Raises:
            UsageError: the noise is negative, or a share above 1.
        """
        if noise is None:
            return self.default_noise
        highest = 1.0 if self.kind is TaskKind.CLASSIFICATION else math.inf
        if not 0 <= noise <= highest:
            raise UsageError(f"noise of {self.name!r} is {noise}; expected 0 to {highest}")
        return noise


class FormulaFamily(Family):
    """A function with a formula, and its construction as a small ReLU network of any depth."""

    def build(self, depth: int) -> Target:
        """Returns the nominal target, as constructed, with `depth` layers of neurons.

        Raises:
            UsageError: `depth` is below `minimum_depth`.
        """
        self.check_depth(depth)
        return self._build(depth)

    @abstractmethod
    def _build(self, depth: int) -> Target:
        """Returns the nominal target; `depth` has been checked."""

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


class LineFamily(FormulaFamily):
    """A regression family over x in [-1, 1], with Gaussian noise."""

    inputs = 1
    kind = TaskKind.REGRESSION
    domain_points = 2001

    @abstractmethod
    def truth(self, inputs: Floats) -> Floats:
        """Returns the formula's values (n, d_out)."""

    def domain(self) -> Floats:
        return np.linspace(-1, 1, self.domain_points)[:, None]

    def sample(self, rng: np.random.Generator, count: int, noise: float | None = None) -> Samples:
        inputs = self.sample_inputs(rng, count)
        values = self.truth(inputs.astype(np.float64))
        noisy = values + self.noise_level(noise) * rng.standard_normal(values.shape)
        return inputs, noisy.astype(np.float32)

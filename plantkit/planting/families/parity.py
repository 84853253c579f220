"""`parity`: whether an odd number of some of the bits is set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.networks.tasks import TaskKind
from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import DOMAIN_SEED, check_dial, dial
from plantkit.planting.targets import Floats

# Inputs up to this number have all their corners in the domain.
MOST_WHOLE = 12


@dataclass(frozen=True, kw_only=True)
class ParityFamily(DrawnFamily):
    """The class is 1 where the product of `bits` of the inputs is positive; all are -1 or 1.

    Which bits these are is for chance to say.

    Attributes:
        inputs: d_in.
        bits: that count.
    """

    name = "parity"
    title = "Sparse parity: the product of some of the inputs, all of them -1 or 1"
    bound = 1.0
    inputs: int = dial(10, 3, 32)
    outputs = 2
    kind = TaskKind.CLASSIFICATION
    bits: int = dial(3, 2, 6)

    def __post_init__(self) -> None:
        self.check_dials()
        check_dial("bits", self.bits, 2, self.inputs)

    def domain(self) -> Floats:
        if self.inputs > MOST_WHOLE:
            return self.draw_inputs(np.random.default_rng(DOMAIN_SEED), 2**MOST_WHOLE)
        bits = np.arange(2**self.inputs)[:, None] >> np.arange(self.inputs) & 1
        return (2 * bits - 1).astype(np.float64)

    def draw_inputs(self, rng: np.random.Generator, count: int) -> Floats:
        return rng.choice([-1.0, 1.0], (count, self.inputs))

    def reads(self) -> NDArray[np.intp]:
        return np.sort(self.constants().choice(self.inputs, self.bits, replace=False))

    def formula(self, inputs: Floats) -> Floats:
        product = inputs[:, self.reads()].prod(axis=1)
        return np.stack([-product, product], axis=1)


FAMILY = ParityFamily()

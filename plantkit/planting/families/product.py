"""`product`: the product of some of the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import check_dial, dial
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class ProductFamily(DrawnFamily):
    """y is the product of `factors` of the inputs, times what makes its variance 1.

    Which inputs these are is for chance to say.

    Attributes:
        inputs: d_in.
        factors: inputs that are multiplied.
    """

    name = "product"
    title = "Product: some of the inputs, multiplied"
    bound = 0.01
    audited_depths = range(5, 6)
    audited_widths = range(50, 51)
    inputs: int = dial(8, 2, 32)
    factors: int = dial(2, 2, 4)

    def __post_init__(self) -> None:
        self.check_dials()
        check_dial("factors", self.factors, 2, self.inputs)

    def reads(self) -> NDArray[np.intp]:
        return np.sort(self.constants().choice(self.inputs, self.factors, replace=False))

    def formula(self, inputs: Floats) -> Floats:
        product = inputs[:, self.reads()].prod(axis=1, keepdims=True)
        scaled: Floats = product * 3 ** (self.factors / 2)
        return scaled


FAMILY = ProductFamily()

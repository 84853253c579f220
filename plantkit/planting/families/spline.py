"""`spline`: a smooth curve through random heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plantkit.planting.drawn import DrawnFamily
from plantkit.planting.family import dial
from plantkit.planting.targets import Floats


@dataclass(frozen=True, kw_only=True)
class SplineFamily(DrawnFamily):
    """The cubic spline through knots at even distances, their heights independent and Gaussian.

    Attributes:
        knots: how many, the ends of [-1, 1] included.
    """

    name = "spline"
    title = "Spline: a smooth curve through random heights"
    bound = 0.005
    audited_depths = range(5, 6)
    audited_widths = range(50, 51)
    inputs = 1
    knots: int = dial(8, 3, 40)

    def formula(self, inputs: Floats) -> Floats:
        from scipy.interpolate import CubicSpline  # takes long to import

        heights = self.constants().standard_normal(self.knots)
        curve = CubicSpline(np.linspace(-1, 1, self.knots), heights, bc_type="natural")
        return np.asarray(curve(inputs))


FAMILY = SplineFamily()

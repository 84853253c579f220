"""What is known of other tickets that are as sparse and as good as the planted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plantkit.networks import PerceptronSpec, weight_name
from plantkit.planting.targets import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Tickets with as many entries as the planted one that compute the same function.

    Attributes:
        count: how many there are, the planted one included; None where nobody has counted.
        basis: what was counted, or why it was not.
    """

    count: int | None
    basis: str

    def to_json(self) -> dict[str, object]:
        known = "unknown" if self.count is None else "counted"
        value: dict[str, object] = {"known": known, "basis": self.basis}
        return value if self.count is None else value | {"count": self.count}


UNKNOWN = Alternatives(
    count=None, basis="tickets of this function cannot be counted; none was searched for"
)


def count_relu_paths(spec: PerceptronSpec, parameters: Mapping[str, Floats]) -> Alternatives:
    """Returns the exact number of paths that compute max(0, x) up to one output factor.

    A ticket of one weight a layer is a path; it computes a multiple of max(0, x) if and only if
    all its weights but the last are positive. The last may have either sign, since scoring
    fits a factor to every output of a regression.
    """
    paths = np.ones(spec.inputs, dtype=object)  # Python integers never overflow
    for layer in spec.layers[:-1]:
        paths = (parameters[weight_name(layer)] > 0).astype(object) @ paths
    last = (parameters[weight_name(spec.layers[-1])] != 0).astype(object)
    return Alternatives(
        count=int((last @ paths).sum()),
        basis="paths whose weights before the last are positive, counted exactly",
    )

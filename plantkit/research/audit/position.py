"""The attacker that only knows where the training tickets lay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plantkit.networks.network import layer_number
from plantkit.planting.exposed import Attacker, Case, Scorer
from plantkit.research.audit.figures import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAttacker(Attacker):
    """Scores every place by how often it was in the training tickets; it looks at no value."""

    name: str = "position prior"
    title: str = "where the training tickets lay"
    in_curve: bool = False

    def train(self, cases: Sequence[Case], rng: np.random.Generator) -> Scorer:
        scores = position_scores(cases)
        return lambda _: scores


def position_scores(cases: Sequence[Case]) -> dict[str, Floats]:
    """Returns how often each place was in the training tickets, (entries,) by parameter name.

    The product of smoothed counts: of the entry itself, and of all in its row, all that read its
    source, and all at its tap of a kernel.
    """
    spec = cases[0].spec
    scores: dict[str, Floats] = {}
    for name, shape in spec.shapes.items():
        counts = np.sum([case.labels[name] for case in cases], axis=0).reshape(shape)
        if len(shape) > 1:
            counts = counts.reshape(spec.wiring.grid(layer_number(name)))
        axes = range(counts.ndim)
        lines = [counts.sum(axis=tuple({*axes} - {axis}), keepdims=True) for axis in axes]
        scores[name] = math.prod((line + 1.0 for line in lines), start=counts + 1.0).ravel()
    return scores

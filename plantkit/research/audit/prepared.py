"""Attackers of the kit that do once what each of their trainings needs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from plantkit.planting.exposed import Attacker, Case, Scorer

Trainer = Callable[[Sequence[int]], Scorer]
"""From the places of the networks to learn from to an attacker that knows them."""


class PreparedAttacker(Attacker):
    """An attacker that gets all networks before it is trained on some of them.

    It must not use the tickets of the others. So this is not for plugins, whose attackers are
    trained on each part by itself.
    """

    @abstractmethod
    def prepare(self, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
        """Returns what trains on some of the networks."""

    def train(self, cases: Sequence[Case], rng: np.random.Generator) -> Scorer:
        return self.prepare(cases, rng)(range(len(cases)))


def trainer_of(attacker: Attacker, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
    """Returns what trains an attacker on some of the networks."""
    if isinstance(attacker, PreparedAttacker):
        return attacker.prepare(cases, rng)
    return lambda places: attacker.train([cases[place] for place in places], rng.spawn(1)[0])

"""What an attacker of planted tickets is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.planting.exposed.cases import Case, Exposed

Scores = Mapping[str, NDArray[Any]]
"""Parameter name to scores (entries,), the higher the likelier; strata may be left out."""

Scorer = Callable[[Exposed], Scores]
"""An attacker that has learned. It may have `choices`: stratum to what it settled on there."""

Trainer = Callable[[Sequence[int]], Scorer]
"""From the places of the networks to learn from to an attacker that knows them."""


class Attacker(ABC):
    """Learns from planted networks what tickets look like, and scores the entries of others.

    When it scores, it gets an `Exposed`: parameters, and what can be computed of them. The ticket
    and the data of that network are not part of it.

    Attributes:
        name: as in reports and `plantkit audit --attacker`.
        title: one line for people.
        in_curve: whether the learning curve shows it.
        builds_on: names of attackers that judge before it. On each network it finds the log odds
            of the best of them, `Exposed.odds`, by models that never saw that network.
    """

    name: str
    title: str = ""
    in_curve: bool = True
    builds_on: tuple[str, ...] = ()

    @abstractmethod
    def train(self, cases: Sequence[Case], rng: np.random.Generator) -> Scorer:
        """Returns what scores the entries of a network that is not among `cases`.

        Args:
            cases: networks of one shape and planting, with their tickets.
            rng: source of all choices.
        """

    def prepare(self, cases: Sequence[Case], rng: np.random.Generator) -> Trainer:
        """Returns what trains on some of the networks, all of which are given.

        An audit trains an attacker several times, on parts of its networks and on all of them. An
        attacker may do here, once, what all of these need.
        """
        return lambda places: self.train([cases[place] for place in places], rng.spawn(1)[0])

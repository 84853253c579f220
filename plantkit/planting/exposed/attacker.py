"""What an attacker of planted tickets is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantkit.errors import PluginError
from plantkit.planting.exposed.cases import Case, Exposed

Scores = Mapping[str, NDArray[Any]]
"""Parameter name to scores (entries,), the higher the likelier; strata may be left out."""

Scorer = Callable[[Exposed], Scores]
"""An attacker that has learned. It may have `choices`: stratum to what it settled on there."""


class Attacker(ABC):
    """Learns from planted networks what tickets look like, and scores the entries of others.

    An audit trains it several times, on parts of its networks and on all of them.

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


def check_scores(name: str, network: Exposed, scores: Scores) -> None:
    """Checks that an attacker's scores are one finite number for each entry of known strata.

    Raises:
        PluginError: they are not.
    """
    sizes = network.spec.sizes
    for stratum, values in scores.items():
        found = np.asarray(values)
        if stratum not in sizes:
            problem = f"scores {stratum!r}; expected some of {', '.join(sizes)}"
        elif found.shape != (sizes[stratum],):
            problem = (
                f"scores of {stratum!r} have shape {found.shape}; expected ({sizes[stratum]},), "
                "one for each entry"
            )
        elif found.dtype.kind not in "biuf" or not np.isfinite(found).all():
            problem = f"scores of {stratum!r} are not all finite numbers"
        else:
            continue
        raise PluginError(f"attacker {name}", problem)

"""Which of several tickets is kept: the one that looks most like the rest of its network.

Where planting leaves traces in spite of all counterweights, it is repeated: several tickets are
planted into one and the same network, each by itself, and one of them is drawn. The odds weigh
what an attacker would go by, the second-order terms of `plantkit.planting.surroundings`, summed
over the ticket's entries. Their coefficients are learned so that over many plantings these sums
come out as those of random entries do: entropy balancing (Hainmueller, Political Analysis 20,
2012), with a penalty instead of exact constraints, as a few candidates cannot balance everything.

The coefficients are fixed numbers, learned by `benchmarks/balance.py` and kept in
`plantkit/planting/balances/`: everybody knows them, attackers too.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from plantkit.planting.planted import PlantedNetwork
from plantkit.planting.surroundings import look_around, second_order, second_order_names

Roles = Mapping[str, str]
"""Parameter name to what it is to a ticket, such as `inputs.weight`; strata of one role share
their coefficients. Parameters without a role are not looked at."""

Sums = Mapping[str, Mapping[str, float]]
"""Of a ticket: role to term to its sum over the ticket's entries of that role."""

ENTRY = "entry"
"""The term that is 1 for every entry: what the others add up to elsewhere in the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How many tickets are planted to keep one, and by what odds.

    Attributes:
        candidates: tickets planted.
        coefficients: role to term to log odds against a ticket, for every entry of the role.
    """

    candidates: int = 1
    coefficients: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def odds(self, sums: Sums) -> float:
        """Returns the log odds, up to a constant, of a ticket by its sums (`sum_terms`).

        Raises:
            ValueError: a role has no such term.
        """
        total = 0.0
        for role, terms in sums.items():
            wanted = self.coefficients.get(role, {})
            unknown = sorted(set(wanted) - set(terms))
            if unknown:
                raise ValueError(f"no terms {unknown} in {role!r}; there are {sorted(terms)}")
            total -= sum(weight * terms[term] for term, weight in wanted.items())
        return total

    def choose(
        self, candidates: Sequence[PlantedNetwork], roles: Roles, rng: np.random.Generator
    ) -> int:
        """Returns which of the candidates is kept, drawn by their odds."""
        if len(candidates) == 1:
            return 0
        odds = np.array([self.odds(sum_terms(candidate, roles)) for candidate in candidates])
        return int(np.argmax(odds + rng.gumbel(size=odds.size)))


NO_BALANCE = Balance()
"""The first ticket is the one."""


def sum_terms(candidate: PlantedNetwork, roles: Roles) -> dict[str, dict[str, float]]:
    """Returns sums of second-order terms over a ticket's entries, by role and term.

    Parameters of which nothing or everything is in the ticket are left out: they tell nothing.
    """
    around = look_around(candidate.spec, candidate.parameters)
    found: dict[str, dict[str, float]] = {}
    for name, role in roles.items():
        mask = np.asarray(candidate.ticket[name]).ravel()
        if not mask.any() or mask.all():
            continue
        terms = second_order(around[name].values[mask]).sum(axis=0)
        names = (ENTRY, *second_order_names(around[name].names))
        sums = found.setdefault(role, dict.fromkeys(names, 0.0))
        for term, value in zip(names, (mask.sum(), *terms), strict=True):
            sums[term] += float(value)
    return found


@functools.cache
def load_coefficients(family: str) -> Mapping[str, Mapping[str, float]]:
    """Returns the coefficients kept for a family, by role and term."""
    path = importlib.resources.files("plantkit.planting").joinpath("balances", f"{family}.json")
    found: dict[str, dict[str, float]] = json.loads(path.read_text("utf-8"))
    return found

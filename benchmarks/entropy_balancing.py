"""Learns the coefficients of a balance from many networks with several tickets each.

Entropy balancing (Hainmueller, Political Analysis 20, 2012): weights for the candidates, as even
as can be, under which the mean of every term is what it is elsewhere in the network. Weights of
the form exp(-coefficients @ terms) solve that, and the coefficients minimize a convex function.
Exact balance would need as many candidates as there are terms; a penalty stands in for it. Terms
are taken in directions in which random entries vary alike, so that it treats all of them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from plantkit.planting.surroundings import ENTRY, Coefficients, ticket_odds
from plantkit.planting.targets import Floats

# Directions of the terms, each scaled to variance 1, that vary less are left out.
LEAST_VARIANCE = 0.02

STEPS = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Terms of a role elsewhere in the network.

    Attributes:
        names: of the terms.
        values: (entries, terms) of many entries outside of tickets.
    """

    names: tuple[str, ...]
    values: Floats


def learn_coefficients(
    networks: Sequence[Sequence[Coefficients]],
    references: Mapping[str, Reference],
    *,
    penalty: float,
) -> dict[str, dict[str, float]]:
    """Returns a balance: coefficients by role and term, for `surroundings.ticket_odds`.

    Args:
        networks: of each network its candidates: by role the sums of terms over the ticket's
            entries, `surroundings.ENTRY` being their number.
        references: by role.
        penalty: on the squared coefficients, in directions of variance 1 per ticket; positive.
    """
    directions = {role: _Directions(networks, role, found) for role, found in references.items()}
    tables = [
        np.stack([np.concatenate([d.of(one) for d in directions.values()]) for one in candidates])
        for candidates in networks
    ]
    weights = _balance(tables, penalty)
    found: dict[str, dict[str, float]] = {}
    start = 0
    for role, direction in directions.items():
        stop = start + direction.matrix.shape[1]
        found[role] = direction.coefficients(weights[start:stop])
        start = stop
    return found


def squared_distances(
    networks: Sequence[Sequence[Coefficients]],
    references: Mapping[str, Reference],
    balance: Coefficients,
) -> dict[str, float]:
    """Returns by role the squared distance of the terms' means over tickets from the reference's.

    In all directions together, each in deviations of a ticket; less what the spread between
    networks adds to it by chance, so that it is 0 on average, and may be negative, where nothing
    is off.

    Args:
        networks: as for `learn_coefficients`, two or more.
        references: by role.
        balance: what candidates are weighted by; empty for nothing.
    """
    weights = []
    for candidates in networks:
        odds = np.array([ticket_odds(one, balance) for one in candidates])
        weights.append(np.exp(odds - logsumexp(odds)))
    found: dict[str, float] = {}
    for role, reference in references.items():
        direction = _Directions(networks, role, reference)
        means = np.stack(
            [
                shares @ np.stack([direction.of(one) for one in candidates])
                for shares, candidates in zip(weights, networks, strict=True)
            ]
        )
        chance = means.var(axis=0, ddof=1).sum() / len(means)
        found[role] = float(np.square(means.mean(axis=0)).sum() - chance)
    return found


class _Directions:
    """Directions in which the terms of random entries vary alike."""

    def __init__(
        self,
        networks: Sequence[Sequence[Coefficients]],
        role: str,
        reference: Reference,
    ) -> None:
        self.role = role
        self.names = reference.names
        counts = [one[role][ENTRY] for candidates in networks for one in candidates if role in one]
        deviations = np.maximum(reference.values.std(axis=0), 1e-9)
        self.means: Floats = reference.values.mean(axis=0)
        scaled = (reference.values - self.means) / deviations
        variances, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        kept = variances > LEAST_VARIANCE
        self.matrix: Floats = vectors[:, kept] / np.sqrt(variances[kept]) / deviations[:, None]
        self.matrix /= np.sqrt(np.mean(counts))

    def of(self, sums: Coefficients) -> Floats:
        """Returns a candidate's sums, less what random entries add up to."""
        if self.role not in sums:
            return np.zeros(self.matrix.shape[1])
        terms = sums[self.role]
        values = np.array([terms[name] for name in self.names])
        return (values - terms[ENTRY] * self.means) @ self.matrix

    def coefficients(self, weights: Floats) -> dict[str, float]:
        values = self.matrix @ weights
        found = {ENTRY: -float(self.means @ values)}
        return found | dict(zip(self.names, values.tolist(), strict=True))


def _balance(tables: Sequence[Floats], penalty: float) -> Floats:
    """Returns the weights (terms,) that balance tables (candidates, terms), one per network."""

    def value(weights: Floats) -> tuple[float, Floats]:
        total = 0.0
        slope = np.zeros_like(weights)
        for table in tables:
            odds = -(table @ weights)
            size = logsumexp(odds)
            total += float(size)
            slope -= np.exp(odds - size) @ table
        count = len(tables)
        return (
            total / count + penalty / 2 * float(weights @ weights),
            slope / count + penalty * weights,
        )

    start = np.zeros(tables[0].shape[1])
    found = minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    result: Floats = found.x
    return result

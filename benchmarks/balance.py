"""Learns which of several tickets an anchored family keeps, and writes it into the package.

Run it from the repository with plantkit installed:

    python benchmarks/balance.py helix 5x100 10x100 --networks 100 --candidates 8 --jobs 2

The two that are kept come from 200 networks of relu at 5x100 with 16 tickets each and 160 at 8x50
with 12, penalty 0.6; and from 80 of helix at 5x100 with 8, penalty 4, `--role "folds to outputs"
--role "biases of folds after kinks"`: in its other roles the candidates of a network are too much
alike, and balancing them as well made things worse on other networks.

Every network gets several tickets; `entropy_balancing.py` learns the odds that
bring the terms' means over tickets to what they are elsewhere. Roles that another shape of the
family has too are learned from all shapes together. With half of the networks it is checked on
the others: printed is, per role, the squared distance by which the means are off, in deviations
of a ticket, before and after. Whether it is of use is for `plantkit audit` to say, on others still.
"""

from __future__ import annotations

import argparse
import functools
import json
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from entropy_balancing import Reference, learn_coefficients, squared_distances

import plantkit.planting
from plantkit.networks import PerceptronSpec
from plantkit.planting import FAMILIES, METHODS, Planted, find_family
from plantkit.planting.family import AnchoredFamily
from plantkit.planting.methods.anchored import AnchoredMethod
from plantkit.planting.surroundings import Coefficients, look_around, second_order, sum_terms

# Entries outside of the ticket that every network gives to a role's reference.
ENTRIES = 200

DIGITS = 4

ANCHORED = [name for name, one in FAMILIES.items() if isinstance(one, AnchoredFamily)]
Rows = Mapping[str, tuple[tuple[str, ...], np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Learns an anchor's balance.")
    parser.add_argument("family", choices=sorted(ANCHORED))
    parser.add_argument("shapes", nargs="+", help="such as 5x100")
    parser.add_argument("--networks", type=int, default=100, help="of each shape")
    parser.add_argument("--candidates", type=int, default=8, help="tickets per network")
    parser.add_argument("--penalty", type=float, default=0.5)
    parser.add_argument("--role", action="append", help="roles to balance; all unless given")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    networks: list[Sequence[Coefficients]] = []
    rows: list[Rows] = []
    for shape in arguments.shapes:
        depth, width = map(int, shape.split("x"))
        work = functools.partial(plant, arguments.family, depth, width, arguments.candidates)
        seeds = [secrets.token_bytes() for _ in range(arguments.networks)]
        with ProcessPoolExecutor(arguments.jobs) as pool:
            for sums, others in pool.map(work, seeds):
                networks.append(sums)
                rows.append(others)
    coefficients = learn(networks, rows, arguments.penalty, arguments.role)
    path = Path(plantkit.planting.__path__[0]) / "learned" / f"{arguments.family}.json"
    learned = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    learned["balance"] = rounded(coefficients)
    path.write_text(json.dumps(learned, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"written to {path}")


def plant(
    family: str, depth: int, width: int, count: int, seed: bytes
) -> tuple[list[Coefficients], Rows]:
    """Returns the sums of a network's tickets, and terms of entries outside of the first."""
    found = find_family(family)
    spec = PerceptronSpec.uniform(
        depth=depth, width=width, inputs=found.inputs, outputs=found.outputs
    )
    method = METHODS["anchored"]
    assert isinstance(method, AnchoredMethod)
    assert isinstance(found, AnchoredFamily)
    candidates = method.candidates(found, spec, seed, count)
    roles = found.roles(len(spec.layers) - 1)
    sums = [sum_terms(spec, one.parameters, one.ticket, roles) for one in candidates]
    return sums, other_rows(candidates[0], roles, seed)


def other_rows(candidate: Planted, roles: Mapping[str, str], seed: bytes) -> Rows:
    """Returns by role the names and the terms of some entries outside of the ticket."""
    rng = np.random.default_rng(list(seed))
    around = look_around(candidate.spec, candidate.parameters)
    rows: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, role in roles.items():
        outside = np.flatnonzero(~candidate.ticket[name].ravel())
        if not outside.size or outside.size == candidate.ticket[name].size:
            continue
        some = rng.choice(outside, min(ENTRIES, outside.size), replace=False)
        terms = second_order(around[name].values[some])
        names = around[name].terms
        before = rows[role][1] if role in rows else np.empty((0, len(names)))
        rows[role] = (names, np.concatenate([before, terms]))
    return rows


def learn(
    networks: Sequence[Sequence[Coefficients]],
    rows: Sequence[Rows],
    penalty: float,
    chosen: Sequence[str] | None,
) -> dict[str, dict[str, float]]:
    references = {
        role: Reference(
            names=next(one[role][0] for one in rows if role in one),
            values=np.concatenate([one[role][1] for one in rows if role in one]),
        )
        for role in sorted({role for one in rows for role in one})
    }
    balanced = {role: references[role] for role in chosen or references}
    half = learn_coefficients(networks[::2], balanced, penalty=penalty)
    before = squared_distances(networks[1::2], references, {})
    after = squared_distances(networks[1::2], references, half)
    for role in references:
        print(f"{role}: {before[role]:.2f} before, {after[role]:.2f} after")
    return learn_coefficients(networks, balanced, penalty=penalty)


def rounded(coefficients: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {
        role: {term: float(f"{value:.{DIGITS}g}") for term, value in terms.items()}
        for role, terms in coefficients.items()
    }


if __name__ == "__main__":
    main()

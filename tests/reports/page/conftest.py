"""An evaluation as a page gets it: known masks, hostile names, failures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from builders import random_mask, score_attempts

from plantkit.challenges.bundles import Challenge
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Provenance, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.starts import rank_by_start

ATTACK = "</script><img src=x onerror=window.hacked=1><script>window.hacked=1</script>{{7*7}}"

Build = Callable[[Challenge], Evaluation]


@pytest.fixture(scope="session")
def build() -> Build:
    """Returns an evaluation of three pruners: the ticket, a random mask, and one that attacks."""

    def evaluation_of(*challenges: Challenge) -> Evaluation:
        protocol = Protocol(densities=("1x", 0.5), seeds=2)
        records, masks = [], {}
        for challenge in challenges:
            for name in ("oracle", "random", ATTACK):
                attempts = []
                for density in (challenge.planted_density, 0.5):
                    for seed in range(2):
                        mask = {
                            "oracle": challenge.truth.ticket,
                            "random": random_mask(challenge.network, density * 0.8, seed),
                        }.get(name)
                        attempts.append(
                            Attempt(
                                pruner=name,
                                target_density=density,
                                is_planted_density=density != 0.5,
                                seed=seed,
                                status="crash" if mask is None else "ok",
                                mask=mask,
                                error=ATTACK if mask is None else "",
                                seconds=0.25,
                                peak_rss_mib=None,
                                effort=3.0 if name == "oracle" else 0.5,
                            )
                        )
                        if mask is not None:
                            masks[mask.digest()] = mask
                records += score_attempts(challenge, attempts)
        return Evaluation(
            entries=[
                Entry(
                    label=name,
                    source=PrunerSource(path=f"/home/somebody/{name}.py"),
                    sha256="ab" * 32,
                )
                for name in ("oracle", "random", ATTACK)
            ],
            challenges=list(challenges),
            suite=None,
            protocol=protocol,
            records=records,
            standings=rank_by_start(challenges, records, protocol),
            settings=Settings(),
            started="2026-01-01T00:00:00+00:00",
            provenance=Provenance(environment={"python": "3.11"}, git_hash=None),
            masks=masks,
        )

    return evaluation_of


@pytest.fixture(scope="session")
def evaluation(circle: Challenge, build: Build) -> Evaluation:
    """The three pruners on one challenge."""
    return build(circle)

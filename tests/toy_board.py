"""A contest on the tests' tiny challenges, whose runs are made up or scored from random masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builders import random_mask, record_of

from plantkit.board.board import create
from plantkit.board.contest import Contest, Phase
from plantkit.challenges.bundles import Challenge
from plantkit.networks.masks import Mask
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.records import TrackScore

PROTOCOL = Protocol(densities=("planted", 0.5), seeds=3)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

#: What a run recovers, in digits, by challenge, density and seed; None where it failed.
Digits = Callable[[str, float, int], float | None]


def phase(challenges: Sequence[Challenge], protocol: Protocol = PROTOCOL) -> Evaluation:
    """Returns what a phase is scored on."""
    return Evaluation(
        entries=[],
        challenges=challenges,
        suite="toy",
        protocol=protocol,
        records=[],
        standings=[],
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
    )


def toy_contest(path: Path, public: Challenge, final: Challenge | None, **settings: Any) -> Path:
    """Makes a board in the file `path` and returns it."""
    phases = {Phase.PUBLIC: phase([public])}
    if final is not None:
        phases[Phase.FINAL] = phase([final])
    create(path, Contest(title="Toy contest", **settings), phases, clock=lambda: NOON)
    return path


def made_up(
    challenge: Challenge,
    digits: float | Digits | None,
    *,
    name: str = "mine",
    sha256: str | None = None,
    mask_seed: int = 0,
    rewind: int = 0,
    options: dict[str, str] | None = None,
    protocol: Protocol = PROTOCOL,
    error: str = "",
) -> Evaluation:
    """Returns a run of the submission `name` whose figures are made up; its masks are random.

    digits: recovered everywhere, or a function of challenge, density and seed; None for failure.
    """
    records, masks = [], {}
    for asked in protocol.densities:
        density = challenge.density_of(asked)
        assert density is not None
        for seed in range(protocol.seeds):
            found = digits(challenge.id, density, seed) if callable(digits) else digits
            mask: Mask | None = None
            if found is not None:
                mask = random_mask(challenge.network, density / 2, seed=mask_seed + seed)
                masks[mask.digest()] = mask
            track = TrackScore(
                performance=0.5, recovered_accuracy=found or 0.0, recovered_digits=found or 0.0
            )
            records.append(
                record_of(
                    challenge,
                    pruner=name,
                    target_density=density,
                    density_multiple=density / challenge.planted_density,
                    is_planted_density=asked == "planted",
                    seed=seed,
                    status="ok" if mask else "crash",
                    error="" if mask else error or "ValueError: no",
                    strong=track,
                    weak=track,
                    mask_sha256=mask.digest() if mask else None,
                    rewind_step=rewind,
                    traceback="secret lines" if mask is None else "",
                )
            )
    source = PrunerSource(path=f"/home/staff/{name}.py", options=options or {})
    digest = sha256 or hashlib.sha256(f"{name} {mask_seed}".encode()).hexdigest()
    entry = Entry(label=name, source=source, sha256=digest, rewind=rewind)
    return replace(phase([challenge], protocol), entries=[entry], records=records, masks=masks)

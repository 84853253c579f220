"""How long it takes to rank many records, and to show them.

    python benchmarks/ranking.py            # 10,000 records
    python benchmarks/ranking.py --records 100000

Records are drawn at random, of as many pruners as that takes, on the challenges of the suite
`starter` at its densities with 3 seeds. Nothing is pruned or trained.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import read_manifest
from plantkit.plugins import find_challenges
from plantkit.pruners.sources import PrunerSource
from plantkit.reports import table
from plantkit.reports.comparisons import comparison_tables
from plantkit.scoring.effort import scores_at_budgets
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.merging import merge
from plantkit.scoring.protocol import Protocol, resolve_densities
from plantkit.scoring.records import Record, TrackScore
from plantkit.scoring.starts import rank_by_start

Made = TypeVar("Made")


def random_evaluation(least: int, seed: int = 0) -> Evaluation:
    """Returns an evaluation of at least so many records, not ranked yet."""
    catalog = find_challenges(())
    suite = catalog.suites["starter"]
    challenges = [
        ChallengeFacts.of(*read_manifest(catalog.bundle(name))) for name in suite.challenges
    ]
    protocol = replace(Protocol.of(suite), seeds=3)
    grid = [
        (challenge, density, is_planted)
        for challenge in challenges
        for density, is_planted in resolve_densities(challenge, protocol)
    ]
    pruners = -(-least // (len(grid) * protocol.seeds))
    generator = random.Random(seed)
    records = [
        _record(generator, f"pruner-{number}", number / pruners, one, density, is_planted, run)
        for one, density, is_planted in grid
        for number in range(pruners)
        for run in range(protocol.seeds)
    ]
    return Evaluation(
        entries=[
            Entry(
                label=f"pruner-{number}", source=PrunerSource(name=f"pruner-{number}"), sha256="0"
            )
            for number in range(pruners)
        ],
        challenges=challenges,
        suite="starter",
        protocol=protocol,
        records=records,
        standings=[],
        settings=Settings(),
        started="2026-01-01T00:00:00+00:00",
    )


def _record(
    generator: random.Random,
    pruner: str,
    skill: float,
    challenge: ChallengeFacts,
    density: float,
    is_planted: bool,
    seed: int,
) -> Record:
    def track() -> TrackScore:
        value = min(1.0, max(0.0, generator.gauss(skill, 0.1)))
        return TrackScore(performance=value, recovered_accuracy=value, recovered_digits=value)

    overlap = dict.fromkeys(("precision", "recall", "f1", "iou", "lift", "adjusted_recall"), 0.1)
    return Record(
        pruner=pruner,
        challenge=challenge.id,
        bundle_sha256=challenge.digest,
        target_density=density,
        density_multiple=density / challenge.planted_density,
        is_planted_density=is_planted,
        seed=seed,
        status="ok" if generator.random() > 0.02 else "crash",
        strong=track(),
        weak=track(),
        density=density,
        sparsity=1 - density,
        effective_density=density / 2,
        collapsed_layers=0,
        overlap=overlap,
        seconds=1.0,
        peak_rss_mib=None,
        error="",
        cpu_seconds=1.0,
        effort=generator.expovariate(0.2),
    )


def timed(what: str, work: Callable[[], Made]) -> Made:
    """Returns what `work` makes, and prints how long that took."""
    start = time.perf_counter()
    made = work()
    print(f"{what:28} {time.perf_counter() - start:6.2f} s")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    least = parser.parse_args(arguments).records
    found = random_evaluation(least)
    print(f"{len(found.records)} records of {len(found.entries)} pruners")
    ranked = timed("ranked", lambda: rank_by_start(found.challenges, found.records, found.protocol))
    found = replace(found, standings=ranked)
    timed(
        "scores at budgets",
        lambda: scores_at_budgets(found.challenges, found.records, found.protocol),
    )
    timed("merged with itself", lambda: merge({"a": found, "b": found}))
    timed("standings as text", lambda: table.render(found))
    timed("details as text", lambda: table.render(found, details=True))
    timed("statistics", lambda: comparison_tables(found))


if __name__ == "__main__":
    main()

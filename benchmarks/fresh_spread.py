"""Prints how far scores spread over fresh instances: one row a family and pruner.

Run it from the repository with plantkit installed, on an idle machine:

    python benchmarks/fresh_spread.py --instances 20 --seeds 1

Instances of one family are exchangeable, so the spread between them is what a score from one
instance is uncertain by; a mean over n instances by its n-th root less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from tabulate import tabulate

from plantkit.challenges import bundles, catalog
from plantkit.challenges.fresh import fresh_challenges
from plantkit.evaluation import harness
from plantkit.evaluation.resources import Resources
from plantkit.isolation.opening import open_backend
from plantkit.isolation.servers import server_pool
from plantkit.isolation.wire import Limits
from plantkit.machine import available_cores
from plantkit.networks.training.executors import LocalExecutor
from plantkit.plugins import load_installed
from plantkit.pruners.sources import PrunerSource
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Settings
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.score import SeedScore, seed_score

HEADERS = (
    "challenge",
    "pruner",
    "score",
    "sd",
    "min",
    "max",
    "strong",
    "sd",
    "weak",
    "sd",
    "F1",
    "sd",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Spread of scores over fresh instances.")
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each pruner a density")
    parser.add_argument("--suite", default="starter")
    parser.add_argument("--pruners", default="magnitude,snip")
    arguments = parser.parse_args()
    found = catalog.find()
    suite = found.suite(arguments.suite)
    registered = {pruner.name: pruner for pruner in load_installed().pruners()}
    entries = [
        Entry(label=name, source=PrunerSource(name=name, entry_point=registered[name].plugin))
        for name in arguments.pruners.split(",")
    ]
    jobs = available_cores()
    rows = []
    for name in suite.challenges:
        manifest, _ = bundles.read_manifest(found.bundle(name))
        challenges = fresh_challenges([manifest], arguments.instances, jobs=jobs)
        protocol = Protocol(densities=suite.densities, seeds=arguments.seeds)
        with server_pool(jobs) as servers, tempfile.TemporaryDirectory() as scratch:
            cells = Path(scratch) / "cells"
            resources = Resources(
                settings=Settings(jobs=jobs),
                limits=Limits(),
                backends=[open_backend(cells, server=server) for server in servers],
                scratch=Path(scratch),
                executor=LocalExecutor(jobs),
            )
            evaluation = harness.evaluate(entries, challenges, protocol, resources)
        scores = {}
        for entry in entries:
            instances = [
                [
                    seed_score(
                        challenge,
                        [
                            r
                            for r in evaluation.records_of(entry.label, challenge)
                            if r.seed == seed
                        ],
                    )
                    for seed in range(arguments.seeds)
                ]
                for challenge in challenges
            ]
            scores[entry.label] = [mean(s.total(protocol) for s in seeds) for seeds in instances]
            rows.append(row(name, entry.label, scores[entry.label], instances))
        print(tabulate(rows[-len(entries) :], headers=HEADERS, floatfmt=".3f"), flush=True)
        first, second = (scores[entry.label] for entry in entries[:2])
        ahead = sum(one > two for one, two in zip(first, second, strict=True))
        print(
            f"{name}: {entries[0].label} ahead of {entries[1].label} in {ahead} of {len(first)}\n",
            flush=True,
        )


def row(
    challenge: str, pruner: str, scores: list[float], instances: list[list[SeedScore]]
) -> tuple[object, ...]:
    parts: list[object] = []
    for part in ("strong_area", "weak_area", "f1"):
        values = [
            mean(getattr(score, part) for score in seeds)
            for seeds in instances
            if getattr(seeds[0], part) is not None
        ]
        parts += [mean(values), deviation(values)] if values else ["", ""]
    return (challenge, pruner, mean(scores), deviation(scores), min(scores), max(scores), *parts)


def mean(values) -> float:  # type: ignore[no-untyped-def]
    return statistics.fmean(values)


def deviation(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()

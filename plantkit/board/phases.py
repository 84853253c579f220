"""What the submissions of a contest are scored on, taken from suites."""

from __future__ import annotations

from datetime import UTC, datetime

from plantkit.challenges.catalog import Catalog
from plantkit.challenges.facts import ChallengeFacts
from plantkit.challenges.manifests import read_manifest
from plantkit.errors import UsageError
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.protocol import Protocol, resolve_densities


def phase_of_suite(
    found: Catalog, name: str, *, time_seconds: float, memory_mib: int
) -> Evaluation:
    """Returns an evaluation on a suite in which nobody took part. Only manifests are read.

    time_seconds, memory_mib: what a run may take.

    Raises:
        UsageError: no such suite, one that every evaluation draws anew, or a density in it that
            cannot be used.
        BundleError: a manifest is invalid.
    """
    suite = found.suite(name)
    if suite.fresh is not None:
        raise UsageError(
            f"suite {name!r} is planted anew in every evaluation, and a board compares "
            "scores on the same challenges; plant some, and list them in a suite without 'fresh'"
        )
    challenges = [ChallengeFacts.of(*read_manifest(path)) for path in found.bundles_of(suite)]
    protocol = Protocol.of(suite)
    for challenge in challenges:
        resolve_densities(challenge, protocol)
    return Evaluation(
        entries=[],
        challenges=challenges,
        suite=name,
        protocol=protocol,
        records=[],
        standings=[],
        settings=Settings(time_seconds=time_seconds, memory_mib=memory_mib),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )

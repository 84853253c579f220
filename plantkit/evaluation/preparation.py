"""From a request to what is to be evaluated: challenges, a protocol, and who is ranked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from plantkit.challenges import bundles, catalog
from plantkit.challenges.bundles import Challenge
from plantkit.challenges.catalog import Catalog
from plantkit.challenges.sealing import find_secret_key
from plantkit.errors import UsageError
from plantkit.evaluation.requests import DEFAULT_SUITE, Progress, Request, Warn
from plantkit.scoring.protocol import Protocol, resolve_densities


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What pruners are evaluated on.

    suite: its name, None where challenges were given one by one. baselines: names of the
        installed pruners that are ranked with the given ones; all of them if None.
    """

    suite: str | None
    challenges: Sequence[Challenge]
    protocol: Protocol
    baselines: Sequence[str] | None


def prepare(
    request: Request,
    plugin_directories: Sequence[Path],
    *,
    jobs: int,
    warn: Warn,
    progress: Progress,
) -> Contest:
    """Returns what `request` asks for, its challenges loaded.

    Args:
        plugin_directories: where plugins keep challenges.

    Raises:
        UsageError: an unknown name, or a density that cannot be used.
        BundleError: a bundle is invalid.
        SealedTruthError: a bundle is sealed, and its key was not given.
    """
    found = catalog.find(request.challenge_directories, plugins=plugin_directories)
    suite = None if request.challenges else found.suite(request.suite or DEFAULT_SUITE)
    for used, other in found.shadowed:
        warn(f"{other} is another bundle than {used}, which is used for {used.name!r}")
    if suite is None:
        given = [found.bundle(one) for one in request.challenges if isinstance(one, str)]
    else:
        given = found.bundles_of(suite)
    paths = dict.fromkeys(path.resolve() for path in given)
    loaded = [one for one in request.challenges if not isinstance(one, str)]
    if request.fresh is None and suite is not None:
        request.check_fresh(suite.fresh)
        request = replace(request, fresh=suite.fresh)
    challenges = _without_copies(_load(request, [*paths, *loaded], jobs, progress))
    if suite is None:
        if not request.densities and len({challenge.densities for challenge in challenges}) > 1:
            raise UsageError(
                "the challenges state different densities; say which: --density D, repeatable"
            )
        protocol = Protocol(densities=challenges[0].densities)
    else:
        protocol = Protocol.of(suite)
    protocol = replace(
        protocol,
        densities=tuple(request.densities) or protocol.densities,
        seeds=request.seeds or protocol.seeds,
    )
    for challenge in challenges:
        resolve_densities(challenge, protocol)  # what cannot be used fails here
    return Contest(
        suite=suite.name if suite else None,
        challenges=challenges,
        protocol=protocol,
        baselines=_baselines(request, found),
    )


def _without_copies(challenges: Sequence[Challenge]) -> list[Challenge]:
    """Returns the challenges without copies of one another.

    Raises:
        UsageError: two different challenges share an id.
    """
    by_id: dict[str, Challenge] = {}
    for challenge in challenges:
        other = by_id.setdefault(challenge.id, challenge)
        if other.digest != challenge.digest:
            raise UsageError(
                f"{other.path} and {challenge.path} are different challenges, both named "
                f"{challenge.id!r}; give one of them"
            )
    return list(by_id.values())


def _load(
    request: Request, chosen: Sequence[Path | Challenge], jobs: int, progress: Progress
) -> list[Challenge]:
    """Returns the challenges that were `chosen`, read where they are given by path, or the fresh
    instances of them that were asked for."""
    if request.fresh is None:
        key = find_secret_key(request.key_file)
        return [bundles.load(one, key=key) if isinstance(one, Path) else one for one in chosen]
    from plantkit.challenges.fresh import fresh_challenges, secret_from  # what plants

    name = request.fresh_seed_env
    secret = None if name is None else secret_from(name, os.environ)
    manifests = [
        bundles.read_manifest(one)[0] if isinstance(one, Path) else one.manifest for one in chosen
    ]
    return fresh_challenges(manifests, request.fresh, secret, jobs=jobs, progress=progress)


def _baselines(request: Request, found: Catalog) -> Sequence[str] | None:
    """Returns the baselines' names.

    "suite" stands for the suite's list, and for that of `DEFAULT_SUITE` where challenges were
    given one by one.
    """
    if request.baselines == "suite":
        named = None if request.challenges else request.suite
        return found.suite(named or DEFAULT_SUITE).baselines
    if request.baselines == "all":
        return None
    if request.baselines == "none":
        return []
    return [name.strip() for name in request.baselines.split(",") if name.strip()]

"""What submissions are run on for a rubric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.challenges import bundles, catalog
from plantkit.challenges.densities import density_of
from plantkit.challenges.fresh import fresh_challenges
from plantkit.challenges.sealing import find_secret_key
from plantkit.errors import UnknownNameError, did_you_mean
from plantkit.evaluation.requests import DEFAULT_SUITE, Progress, Request, Warn
from plantkit.evaluation.trials import Task
from plantkit.grading.measures import MEASURES, plugin_measure
from plantkit.grading.rubric import Criterion, Rubric, check_measure
from plantkit.plugins import load_installed, load_plantings
from plantkit.scoring.protocol import Protocol, resolve_densities

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge
    from plantkit.challenges.catalog import Catalog
    from plantkit.plugins import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingPlan:
    """What submissions are run on for a rubric.

    tasks: one for each challenge and fresh instance. looked_at: the challenges that an active
    criterion looks at, by its position. visible: digests of those that students know. fresh: of
    those that nobody knows. protocol: of the run; tasks also have densities that only criteria
    name. hidden: directories that no pruner may read.
    """

    tasks: Sequence[Task]
    looked_at: Mapping[int, Sequence[Challenge]]
    visible: frozenset[str]
    fresh: frozenset[str]
    protocol: Protocol
    hidden: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBundles:
    """The bundles that a rubric names, found and not yet loaded.

    paths: by digest, so that no bundle is run twice. run: digests of the run's challenges, and
    its protocol. looked_at: digests of what a criterion looks at, by its position. models: digests
    of what fresh instances are like, and how many. directories: plugins' of challenges.
    """

    paths: Mapping[str, Path]
    run: Sequence[str]
    protocol: Protocol
    looked_at: Mapping[int, Sequence[str]]
    models: Mapping[str, int]
    directories: Sequence[Path]


def find_bundles(
    rubric: Rubric, active: Sequence[Criterion], request: Request, *, warn: Warn
) -> NamedBundles:
    """Returns the bundles that the active criteria are about.

    Args:
        request: where challenges are found.

    Raises:
        RubricError: the rubric asks for something that does not exist.
        BundleError: a manifest is invalid.
    """
    registry = load_installed()
    load_plantings(registry=registry)
    directories = registry.challenge_directories()
    found = catalog.find(request.challenge_directories, plugins=directories)
    for used, other in found.shadowed:
        warn(f"{other} is another bundle than {used}, which is used for {used.name!r}")
    _check_names(rubric, active, registry)
    names, protocol = _run_of(rubric, found)
    paths: dict[str, Path] = {}

    def add(name: str, *where: str | int) -> str:
        path = _bundle(rubric, found, name, *where)
        digest = bundles.read_manifest(path)[1]
        paths.setdefault(digest, path)
        return digest

    run = [add(name, "run", "challenges", position) for position, name in enumerate(names)]
    looked_at: dict[int, list[str]] = {}
    models: dict[str, int] = {}
    for criterion in active:
        digests = run
        if criterion.challenge is not None:
            digests = [add(criterion.challenge, "criteria", criterion.position, "challenge")]
        _check_density(rubric, criterion, [paths[digest] for digest in digests])
        looked_at[criterion.position] = digests
        if criterion.fresh is not None:
            models[digests[0]] = max(models.get(digests[0], 0), criterion.fresh)
    return NamedBundles(
        paths=paths,
        run=run,
        protocol=protocol,
        looked_at=looked_at,
        models=models,
        directories=directories,
    )


def make_plan(
    rubric: Rubric,
    active: Sequence[Criterion],
    request: Request,
    *,
    secret: Callable[[], str],
    jobs: int,
    warn: Warn,
    progress: Progress,
) -> GradingPlan:
    """Returns what is run for the active criteria, its challenges loaded or planted.

    Args:
        request: where challenges are found, and the key to sealed ones.
        secret: gives what fresh instances are planted from; called if there are any.

    Raises:
        RubricError: the rubric asks for something that does not exist.
        UsageError: a density that cannot be used, or no secret.
        BundleError: a challenge is invalid.
        SealedTruthError: a challenge is sealed, and its key was not given.
    """
    named = find_bundles(rubric, active, request, warn=warn)
    # Fresh ones are planted in memory: their truth lies on no disk that a submission might read.
    fresh = {
        digest: fresh_challenges(
            [bundles.read_manifest(named.paths[digest])[0]],
            count,
            secret(),
            jobs=jobs,
            progress=progress,
        )
        for digest, count in named.models.items()
    }
    key = find_secret_key(request.key_file)
    loaded: dict[str, Challenge] = {}
    looked_at: dict[int, Sequence[Challenge]] = {}
    for criterion in active:
        digests = named.looked_at[criterion.position]
        if criterion.fresh is not None:
            looked_at[criterion.position] = fresh[digests[0]][: criterion.fresh]
            continue
        for digest in digests:
            if digest not in loaded:
                loaded[digest] = bundles.load(named.paths[digest], key=key)
        looked_at[criterion.position] = [loaded[digest] for digest in digests]
    shown = [c for c in active if not c.hidden and c.fresh is None]
    return GradingPlan(
        tasks=_tasks(active, looked_at, named.protocol),
        looked_at=looked_at,
        visible=frozenset(named.run).union(
            *(named.looked_at[criterion.position] for criterion in shown)
        ),
        fresh=frozenset(one.digest for made in fresh.values() for one in made),
        protocol=named.protocol,
        hidden=(*request.challenge_directories, *named.directories, *named.paths.values()),
    )


def _tasks(
    active: Sequence[Criterion],
    looked_at: Mapping[int, Sequence[Challenge]],
    protocol: Protocol,
) -> list[Task]:
    """Returns the challenges with the densities and baselines that criteria look at there."""
    tasks: dict[str, Task] = {}
    for criterion in active:
        asked = protocol.densities if criterion.density is None else (criterion.density,)
        baselines = () if criterion.baseline is None else (criterion.baseline,)
        for challenge in looked_at[criterion.position]:
            task = tasks.get(challenge.digest)
            densities = () if task is None else task.protocol.densities
            others = () if task is None else task.baselines
            tasks[challenge.digest] = Task(
                challenge=challenge,
                protocol=replace(protocol, densities=tuple(dict.fromkeys([*densities, *asked]))),
                baselines=tuple(dict.fromkeys([*others, *baselines])),
            )
    for task in tasks.values():
        resolve_densities(task.challenge, task.protocol)  # what cannot be used fails here
    return list(tasks.values())


def _run_of(rubric: Rubric, found: Catalog) -> tuple[Sequence[str], Protocol]:
    """Returns the run's challenges, by id or path, and its protocol."""
    run = rubric.run
    if run.challenges:
        names = run.challenges
        first = _bundle(rubric, found, names[0], "run", "challenges")
        manifest, _ = bundles.read_manifest(first)
        protocol = Protocol(densities=tuple(manifest["protocol"]["densities"]))
    else:
        try:
            suite = found.suite(run.suite or DEFAULT_SUITE)
            found.bundles_of(suite)  # a broken pin fails here
        except UnknownNameError as error:
            raise rubric.error(str(error), "run", "suite") from error
        names, protocol = suite.challenges, Protocol.of(suite)
    return names, replace(
        protocol,
        densities=tuple(run.densities) or protocol.densities,
        seeds=run.seeds or protocol.seeds,
    )


def _bundle(rubric: Rubric, found: Catalog, name: str, *where: str | int) -> Path:
    try:
        return found.bundle(name)
    except UnknownNameError as error:
        raise rubric.error(str(error), *where) from error


def _check_density(rubric: Rubric, criterion: Criterion, paths: Sequence[Path]) -> None:
    """Raises `RubricError` for a density that a challenge of the criterion cannot have."""
    if criterion.density is None:
        return
    for path in paths:
        ticket = bundles.read_manifest(path)[0]["ticket"]
        if density_of(criterion.density, kept=ticket["kept"], total=ticket["total"]) is None:
            raise rubric.fault(
                criterion,
                f"{criterion.density} is above 1 on {path.name}, whose planted density is "
                f"{ticket['density']:.4g}",
                "density",
            )


def _check_names(rubric: Rubric, active: Sequence[Criterion], registry: Registry) -> None:
    """Raises `RubricError` for a metric or baseline that is not installed."""
    metrics = [metric.name for metric in registry.metrics()]
    pruners = [registered.name for registered in registry.pruners()]
    for criterion in active:
        baseline, metric = criterion.baseline, criterion.metric
        if baseline is not None and baseline not in pruners:
            near = did_you_mean(baseline, pruners)
            raise rubric.fault(criterion, f"no pruner is named {baseline!r}{near}", "baseline")
        if criterion.kind == "metric" and metric not in MEASURES:
            if metric not in metrics:
                known = [*MEASURES, *metrics]
                near = did_you_mean(metric, known) or f"; expected one of {', '.join(known)}"
                raise rubric.fault(criterion, f"no metric is named {metric!r}{near}", "metric")
            check_measure(rubric, criterion, plugin_measure(metric))

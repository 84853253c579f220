"""One evaluation from names to text: finds everything, runs the harness, renders the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import MissingExtraError, UnknownNameError, UsageError
from plantkit.isolation.client import (
    Isolation,
    PrunerServer,
    Scratch,
    server_pool,
)
from plantkit.isolation.leftovers import scratch_directory
from plantkit.isolation.levels import AUTO, Level, choose
from plantkit.isolation.probe import begin_probe, probe_machine
from plantkit.isolation.wire import Limits, PrunerSource
from plantkit.machine import available_cores
from plantkit.participants import Installed, load_submissions, with_unique_labels
from plantkit.sources import parse_pruner

if TYPE_CHECKING:
    from plantkit.bundles import Challenge
    from plantkit.catalog import Protocol
    from plantkit.executors import Executor
    from plantkit.harness import Evaluation
    from plantkit.reporters import Reporter
    from plantkit.scoring import Attempt

DEFAULT_SUITE = "starter"

Warn = Callable[[object], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `plantkit evaluate` was asked for; see its options."""

    pruners: Sequence[str]
    suite: str | None = None
    challenges: Sequence[str] = ()
    challenge_directories: Sequence[Path] = ()
    densities: Sequence[float | str] = ()
    seeds: int | None = None
    baselines: str = "suite"
    output_format: str = "table"
    run_directory: Path | None = None
    resume: bool = False
    jobs: int | None = None
    device: str = "cpu"
    executor: str = "local"
    scheduler: str | None = None
    cached: bool = True
    time_seconds: float = 300.0
    memory_mib: int = 4096
    strict_plugins: bool = False
    isolation: str = AUTO
    key_file: Path | None = None
    fresh: int | None = None
    fresh_seed_env: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """text: the rendered results. failed: whether a run of a given pruner was not ok, or one
    could not be loaded."""

    text: str
    failed: bool


def run_evaluation(
    request: Request, *, warn: Warn, progress: Callable[[str, int, int], None]
) -> Result:
    """Returns the rendered results of an evaluation.

    `warn` is called with every plugin or submission that cannot be used.

    Raises:
        UsageError: a file, name or value that cannot be used.
        PluginError: none of the given pruners can be loaded.
        BundleError: a challenge is invalid.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    done = _run_in_pool(request, warn, progress)
    return Result(text=done.reporter.render(done.evaluation), failed=done.failed)


def evaluate_request(
    request: Request, *, warn: Warn, progress: Callable[[str, int, int], None]
) -> Evaluation:
    """Returns an evaluation before it is rendered; the given pruners' entries come first.

    Raises: as `run_evaluation`.
    """
    return _run_in_pool(request, warn, progress).evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    evaluation: Evaluation
    reporter: Reporter
    failed: bool


def _run_in_pool(request: Request, warn: Warn, progress: Callable[[str, int, int], None]) -> _Done:
    if request.resume and request.fresh is not None and request.fresh_seed_env is None:
        raise UsageError(
            "fresh instances of the system's entropy are new in every run and cannot be resumed; "
            "leave out --resume, or give --fresh-seed-env"
        )
    sources = [parse_pruner(text) for text in request.pruners]
    jobs = request.jobs or available_cores()
    is_remote = request.executor != "local"
    with (
        scratch_directory() as scratch,
        _servers(request.isolation, 1 if is_remote else jobs) as servers,
        _executor(request, jobs) as executor,
    ):
        _isolate(servers, request.isolation, warn)
        return _run(request, sources, jobs, servers, executor, scratch, warn, progress)


@contextmanager
def _servers(isolation: str, count: int) -> Iterator[list[PrunerServer]]:
    """Starts what runs pruners; `_isolate` must be called before it is used.

    First of all, and before this machine is probed: they import torch while we do.
    """
    none = Isolation(level=Level.NONE) if isolation == Level.NONE else None
    with server_pool(count, none) as servers:
        begin_probe()
        yield servers


def _isolate(servers: Sequence[PrunerServer], isolation: str, warn: Warn) -> None:
    """Sets the level of isolation that was asked for.

    Raises:
        IsolationError: this machine lacks what it needs.
    """
    level, warning = choose(isolation, probe_machine())
    if warning:
        warn(warning)
    for server in servers:
        server.isolate(level)


@contextmanager
def _executor(request: Request, jobs: int) -> Iterator[Executor]:
    """Starts what trains: processes on this machine, or a connection to a Dask cluster.

    Raises:
        UsageError: an unknown executor or device, or a scheduler without a cluster.
    """
    if request.executor == "local":
        if request.scheduler is not None:
            raise UsageError("--scheduler needs --executor dask")
        from plantkit import harness  # noqa: F401 - forked with all that is imported
        from plantkit.executors import LocalExecutor
        from plantkit.training import Device

        device = Device.checked(request.device)
        # A GPU is filled by one process; forked now, before this process has threads.
        with LocalExecutor(1 if device is Device.CUDA else jobs) as local:
            local.start()
            yield local
    elif request.executor == "dask":
        if request.scheduler is None:
            raise UsageError("--executor dask needs --scheduler ADDRESS")
        try:
            from plantkit.cluster import DaskExecutor
        except ImportError as error:
            raise MissingExtraError(extra="cluster", needed_for="--executor dask") from error

        with DaskExecutor(request.scheduler) as cluster:
            yield cluster
    else:
        raise UnknownNameError("executor", request.executor, ["local", "dask"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """What `plantkit prune` was asked for; see its options."""

    pruner: str
    challenge: str
    out: Path | None = None
    challenge_directories: Sequence[Path] = ()
    densities: Sequence[float | str] = ()
    seeds: int = 1
    jobs: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    isolation: str = AUTO


def run_pruning(
    request: PruneRequest, *, warn: Warn, progress: Callable[[str, int, int], None]
) -> Sequence[Attempt]:
    """Returns what came of one pruner on one challenge, and saves its masks. No truth is read.

    A mask is saved as `<out>/<sha256>.safetensors`, under its own digest; not where `out` is None.

    Raises: as `run_evaluation`.
    """
    source = parse_pruner(request.pruner)
    jobs = request.jobs or available_cores()
    with (
        scratch_directory() as scratch,
        _servers(request.isolation, jobs) as servers,
    ):
        from plantkit import bundles, catalog, harness
        from plantkit.plugins import load_installed
        from plantkit.results import save_mask

        registry = load_installed()
        _isolate(servers, request.isolation, warn)
        level = servers[0].isolation.level
        limits = Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib)
        if source.path is None:
            entries = [Installed.of(registry, strict=False, warn=warn).entry(source)]
        else:
            described = Scratch(scratch / "describe")
            entries, broken = load_submissions([source], servers[0], described, limits)
            if broken:
                raise broken[0]
        found = catalog.find(
            request.challenge_directories, plugins=registry.challenge_directories()
        )
        challenge = bundles.load_public(found.bundle(request.challenge))
        for server in servers:
            server.hide([*request.challenge_directories, challenge.path])
        densities = tuple(request.densities) or challenge.densities
        attempts = harness.prune(
            entries,
            challenge,
            catalog.Protocol(densities=densities, seeds=request.seeds),
            settings=harness.Settings(jobs=jobs, isolation=level.value, limits=limits),
            servers=servers,
            scratch_directory=scratch,
            progress=progress,
        )
        for attempt in attempts:
            if request.out is not None and attempt.mask is not None:
                save_mask(request.out, attempt.mask)
    return attempts


def _run(
    request: Request,
    sources: Sequence[PrunerSource],
    jobs: int,
    servers: Sequence[PrunerServer],
    executor: Executor,
    scratch_directory: Path,
    warn: Warn,
    progress: Callable[[str, int, int], None],
) -> _Done:
    from plantkit import harness
    from plantkit.cache import Cache
    from plantkit.plugins import load_installed
    from plantkit.reporters import find_reporters
    from plantkit.results import RunDirectory

    registry = load_installed()
    reporters = find_reporters(registry.reporters())
    metrics = registry.metrics()
    bundle_directories = registry.challenge_directories()
    if request.output_format not in reporters:
        raise UnknownNameError("format", request.output_format, reporters)
    installed = Installed.of(registry, strict=request.strict_plugins, warn=warn)
    named = [installed.entry(source) for source in sources if source.path is None]
    baselines = [
        installed.entry(PrunerSource(name=name))
        for name in _baseline_names(request, bundle_directories, list(installed.pruners))
    ]
    suite, challenges, protocol = _resolve_challenges(
        request, bundle_directories, jobs, warn, progress
    )
    secrets = [*request.challenge_directories, *bundle_directories]
    secrets += [challenge.path for challenge in challenges]
    if request.run_directory is not None:
        secrets.append(request.run_directory)
    for server in servers:
        server.hide(secrets)
    limits = Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib)
    submissions, broken = load_submissions(
        [source for source in sources if source.path is not None],
        servers[0],
        Scratch(scratch_directory / "describe"),
        limits,
    )
    if broken and len(broken) == len(sources):
        for error in broken[1:]:
            warn(error)
        raise broken[0]
    for error in broken:
        warn(error)
    given = [*submissions, *named]
    others = [entry for entry in baselines if entry.label not in {one.label for one in named}]
    entries = with_unique_labels([*given, *others])
    settings = harness.Settings(
        jobs=jobs,
        device=request.device,
        isolation=servers[0].isolation.level.value,
        limits=limits,
    )
    run_directory = None
    if request.run_directory is not None:
        run_directory = RunDirectory(
            request.run_directory,
            harness.run_identity(entries, challenges, protocol, settings, metrics),
            resume=request.resume,
        )
    cache = Cache() if request.cached else None
    evaluation = harness.evaluate(
        entries,
        challenges,
        protocol,
        settings=settings,
        servers=servers,
        scratch_directory=scratch_directory,
        executor=executor,
        cache=cache,
        suite=suite,
        run_directory=run_directory,
        metrics=metrics,
        progress=progress,
    )
    if cache is not None:
        cache.trim()
    mine = {entry.label for entry in entries[: len(given)]}
    failed = any(record.status != "ok" for record in evaluation.records if record.pruner in mine)
    return _Done(
        evaluation=evaluation,
        reporter=reporters[request.output_format],
        failed=failed or bool(broken),
    )


def _resolve_challenges(
    request: Request,
    plugin_directories: Sequence[Path],
    jobs: int,
    warn: Warn,
    progress: Callable[[str, int, int], None],
) -> tuple[str | None, list[Challenge], Protocol]:
    """Returns the suite's name, the loaded challenges, and the protocol with what was overridden.

    Raises:
        UsageError: an unknown name, or a density that cannot be used.
        BundleError: a bundle is invalid.
        SealedTruthError: a bundle is sealed, and its key was not given.
    """
    from plantkit import catalog, grid

    found = catalog.find(request.challenge_directories, plugins=plugin_directories)
    suite = None if request.challenges else found.suite(request.suite or DEFAULT_SUITE)
    for used, other in found.shadowed:
        warn(f"{other} is another bundle than {used}, which is used for {used.name!r}")
    names = request.challenges if suite is None else suite.challenges
    paths = dict.fromkeys(found.bundle(name).resolve() for name in names)
    challenges = _without_copies(_load_challenges(request, list(paths), jobs, progress))
    if suite is None:
        if not request.densities and len({challenge.densities for challenge in challenges}) > 1:
            raise UsageError(
                "the challenges state different densities; say which: --density D, repeatable"
            )
        protocol = catalog.Protocol(densities=challenges[0].densities)
    else:
        protocol = suite.protocol
    protocol = replace(
        protocol,
        densities=tuple(request.densities) or protocol.densities,
        seeds=request.seeds or protocol.seeds,
    )
    for challenge in challenges:
        grid.resolve_densities(challenge, protocol)  # what cannot be used fails here
    return (suite.name if suite else None), challenges, protocol


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


def _load_challenges(
    request: Request,
    paths: Sequence[Path],
    jobs: int,
    progress: Callable[[str, int, int], None],
) -> list[Challenge]:
    """Returns the challenges in `paths`, or the fresh instances of them that were asked for."""
    from plantkit import bundles
    from plantkit.sealing import find_secret_key

    if request.fresh is None:
        key = find_secret_key(request.key_file)
        return [bundles.load(path, key=key) for path in paths]
    from plantkit.fresh import fresh_challenges, secret_from

    name = request.fresh_seed_env
    secret = None if name is None else secret_from(name, os.environ)
    manifests = [bundles.read_manifest(path)[0] for path in paths]
    return fresh_challenges(manifests, request.fresh, secret, jobs=jobs, progress=progress)


def _baseline_names(
    request: Request, plugin_directories: Sequence[Path], known: Sequence[str]
) -> list[str]:
    """Returns the names of the pruners to rank beside the given ones.

    "suite" stands for the suite's list, for that of `DEFAULT_SUITE` where challenges were
    given one by one, and for all installed pruners where the suite has no list.
    """
    text = request.baselines
    if text == "suite":
        from plantkit import catalog

        found = catalog.find(request.challenge_directories, plugins=plugin_directories)
        named = None if request.challenges else request.suite
        baselines = found.suite(named or DEFAULT_SUITE).baselines
        return sorted(known) if baselines is None else list(baselines)
    if text == "all":
        return sorted(known)
    if text == "none":
        return []
    return [name.strip() for name in text.split(",") if name.strip()]

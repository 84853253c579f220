"""One evaluation from names to standings: starts what it needs, and runs the harness.

What imports torch is imported late: the servers start first and import it side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import MissingExtraError, UnknownNameError, UsageError
from plantkit.evaluation.participants import Installed, load_submissions, with_unique_labels
from plantkit.evaluation.requests import Progress, PruneRequest, Request, Warn
from plantkit.isolation.leftovers import scratch_directory
from plantkit.isolation.levels import Isolation, Level, choose
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import begin_probe, probe_machine
from plantkit.isolation.servers import PrunerServer, server_pool
from plantkit.isolation.wire import Limits
from plantkit.machine import available_cores
from plantkit.pruners.sources import PrunerSource, parse_pruner

if TYPE_CHECKING:
    from plantkit.networks.training.executors import Executor
    from plantkit.reports import Reporter
    from plantkit.scoring.attempts import Attempt
    from plantkit.scoring.evaluation import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a request came to; the given pruners' entries come first.

    failed: whether a run of a given pruner was not ok, or one could not be loaded.
    """

    evaluation: Evaluation
    reporter: Reporter
    failed: bool

    @property
    def text(self) -> str:
        """The results in the format that was asked for."""
        return self.reporter.render(self.evaluation)


def run_evaluation(request: Request, *, warn: Warn, progress: Progress) -> Outcome:
    """Returns what came of an evaluation.

    `warn` is called with every plugin or submission that cannot be used.

    Raises:
        UsageError: a file, name or value that cannot be used.
        PluginError: none of the given pruners can be loaded.
        BundleError: a challenge is invalid.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
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
        level = _level(request.isolation, warn)
        return _run(request, sources, jobs, level, servers, executor, scratch, warn, progress)


@contextmanager
def _servers(isolation: str, count: int) -> Iterator[list[PrunerServer]]:
    """Starts what runs pruners; in this process nothing needs to start.

    First of all, and before this machine is probed: servers import torch while we do.
    """
    if isolation == Level.NONE:
        begin_probe()
        yield [PrunerServer()]
        return
    with server_pool(count) as servers:
        begin_probe()
        yield servers


def _level(isolation: str, warn: Warn) -> Level:
    """Returns the level of isolation that was asked for.

    Raises:
        IsolationError: this machine lacks what it needs.
    """
    level, warning = choose(isolation, probe_machine())
    if warning:
        warn(warning)
    return level


@contextmanager
def _executor(request: Request, jobs: int) -> Iterator[Executor]:
    """Starts what trains: processes on this machine, or a connection to a Dask cluster.

    Raises:
        UsageError: an unknown executor or device, or a scheduler without a cluster.
    """
    if request.executor == "local":
        if request.scheduler is not None:
            raise UsageError("--scheduler needs --executor dask")
        from plantkit.evaluation import harness  # noqa: F401 - forked with all that is imported
        from plantkit.networks.training import Device
        from plantkit.networks.training.executors import LocalExecutor

        device = Device.checked(request.device)
        # A GPU is filled by one process; forked now, before this process has threads.
        with LocalExecutor(1 if device is Device.CUDA else jobs) as local:
            local.start()
            yield local
    elif request.executor == "dask":
        if request.scheduler is None:
            raise UsageError("--executor dask needs --scheduler ADDRESS")
        try:
            from plantkit.evaluation.cluster import DaskExecutor
        except ImportError as error:
            raise MissingExtraError(extra="cluster", needed_for="--executor dask") from error

        with DaskExecutor(request.scheduler) as cluster:
            yield cluster
    else:
        raise UnknownNameError("executor", request.executor, ["local", "dask"])


def run_pruning(request: PruneRequest, *, warn: Warn, progress: Progress) -> Sequence[Attempt]:
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
        from plantkit.challenges import bundles, catalog
        from plantkit.evaluation import harness
        from plantkit.evaluation.resources import Resources
        from plantkit.evaluation.run_directory import save_mask
        from plantkit.networks.training.executors import LocalExecutor
        from plantkit.plugins import load_installed
        from plantkit.scoring.evaluation import Settings
        from plantkit.scoring.protocol import Protocol

        registry = load_installed()
        level = _level(request.isolation, warn)
        limits = Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib)
        found = catalog.find(
            request.challenge_directories, plugins=registry.challenge_directories()
        )
        challenge = bundles.load_public(found.bundle(request.challenge))
        hidden = (*request.challenge_directories, challenge.path)
        isolation = Isolation(level=level, hidden=hidden)
        backends = [open_backend(scratch / "cells", isolation, server) for server in servers]
        if source.path is None:
            entries = [Installed.of(registry, strict=False, warn=warn).entry(source)]
        else:
            entries, broken = load_submissions([source], backends[0], limits)
            if broken:
                raise broken[0]
        attempts = harness.prune(
            entries,
            challenge,
            Protocol(
                densities=tuple(request.densities) or challenge.densities, seeds=request.seeds
            ),
            Resources(
                settings=Settings(jobs=jobs, isolation=level.value),
                limits=limits,
                backends=backends,
                scratch=scratch,
                executor=LocalExecutor(),
            ),
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
    level: Level,
    servers: Sequence[PrunerServer],
    executor: Executor,
    scratch: Path,
    warn: Warn,
    progress: Progress,
) -> Outcome:
    from plantkit.evaluation import harness
    from plantkit.evaluation.cache import Cache
    from plantkit.evaluation.preparation import prepare
    from plantkit.evaluation.resources import RemoteExecutor, Resources
    from plantkit.evaluation.run_directory import RunDirectory
    from plantkit.plugins import load_installed
    from plantkit.reports import find_reporters
    from plantkit.scoring.evaluation import Settings

    registry = load_installed()
    reporters = find_reporters(registry.reporters())
    if request.output_format not in reporters:
        raise UnknownNameError("format", request.output_format, reporters)
    metrics = registry.metrics()
    bundle_directories = registry.challenge_directories()
    installed = Installed.of(registry, strict=request.strict_plugins, warn=warn)
    named = [installed.entry(source) for source in sources if source.path is None]
    contest = prepare(request, bundle_directories, jobs=jobs, warn=warn, progress=progress)
    names = sorted(installed.pruners) if contest.baselines is None else contest.baselines
    baselines = [installed.entry(PrunerSource(name=name)) for name in names]
    secrets = [*request.challenge_directories, *bundle_directories]
    secrets += [challenge.path for challenge in contest.challenges]
    if request.run_directory is not None:
        secrets.append(request.run_directory)
    isolation = Isolation(level=level, hidden=tuple(secrets))
    backends = [open_backend(scratch / "cells", isolation, server) for server in servers]
    limits = Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib)
    submissions, broken = load_submissions(
        [source for source in sources if source.path is not None],
        backends[0],
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
    cache = Cache() if request.cached else None
    resources = Resources(
        settings=Settings(jobs=jobs, device=request.device, isolation=level.value),
        limits=limits,
        backends=executor.backends(level) if isinstance(executor, RemoteExecutor) else backends,
        scratch=scratch,
        executor=executor,
        cache=cache,
    )
    run_directory = None
    if request.run_directory is not None:
        run_directory = RunDirectory(
            request.run_directory,
            harness.run_identity(entries, contest.challenges, contest.protocol, resources, metrics),
            resume=request.resume,
        )
    evaluation = harness.evaluate(
        entries,
        contest.challenges,
        contest.protocol,
        resources,
        suite=contest.suite,
        run_directory=run_directory,
        metrics=metrics,
        progress=progress,
    )
    if cache is not None:
        cache.trim()
    mine = {entry.label for entry in entries[: len(given)]}
    failed = any(record.status != "ok" for record in evaluation.records if record.pruner in mine)
    return Outcome(
        evaluation=evaluation,
        reporter=reporters[request.output_format],
        failed=failed or bool(broken),
    )

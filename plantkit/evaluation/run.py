"""One evaluation from names to standings: starts what it needs, and runs the harness.

What imports torch is imported late: the servers start first and import it side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from plantkit.errors import MissingExtraError, PluginError, UnknownNameError, UsageError
from plantkit.evaluation.cache import Cache
from plantkit.evaluation.participants import (
    Installed,
    entry_here,
    load_submissions,
    with_unique_labels,
)
from plantkit.evaluation.remembered import memory_of, note_code
from plantkit.evaluation.requests import Progress, PruneRequest, Request, RunRequest, Warn
from plantkit.hookspecs import PROJECT
from plantkit.isolation.leftovers import scratch_directory
from plantkit.isolation.levels import Isolation, Level, choose
from plantkit.isolation.opening import open_backend
from plantkit.isolation.probe import begin_probe, probe_machine
from plantkit.isolation.servers import PrunerServer, server_pool
from plantkit.isolation.wire import Limits
from plantkit.machine import available_cores
from plantkit.plugins import load_installed, load_plantings
from plantkit.pruners.sources import PrunerSource, parse_pruner
from plantkit.reports import find_reporter

if TYPE_CHECKING:
    from plantkit.evaluation.resources import Resources
    from plantkit.isolation.backends import Backend
    from plantkit.isolation.backends.local import LocalBackend
    from plantkit.networks.training.executors import Executor
    from plantkit.reports import Reporter
    from plantkit.scoring.attempts import Attempt
    from plantkit.scoring.evaluation import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOutcome:
    """What a request came to; the given pruners' entries come first.

    failed: whether a run of a given pruner was not ok, or one could not be loaded.
    is_remembered: whether nothing was run, since nothing has changed.
    """

    evaluation: Evaluation
    reporter: Reporter
    failed: bool
    is_remembered: bool = False


def run_evaluation(
    request: Request,
    *,
    warn: Warn,
    progress: Progress,
    sources: Sequence[PrunerSource] | None = None,
    started: Started | None = None,
) -> EvaluationOutcome:
    """Returns what came of an evaluation.

    `warn` is called with every plugin or submission that cannot be used.

    Args:
        sources: the pruners of the request as they were read; they are read now if None.
        started: by `start_evaluation`, and goes on afterwards; starts and ends here if None.

    Raises:
        UsageError: a file, name or value that cannot be used.
        PluginError: none of the given pruners can be loaded.
        BundleError: a challenge is invalid.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    if sources is None:
        sources = [*map(_read, map(parse_pruner, request.pruners)), *request.objects]
    memory = memory_of(request, sources)
    known = None if memory is None else memory.find()
    if known is not None:
        reporter = find_reporter(request.output_format, load_installed(without=PROJECT).reporters())
        return EvaluationOutcome(
            evaluation=known, reporter=reporter, failed=False, is_remembered=True
        )
    warnings = []

    def tell(message: object) -> None:
        warnings.append(message)
        warn(message)

    with start_evaluation(request, tell) if started is None else nullcontext(started) as ready:
        outcome = _run(request, sources, ready, warn=tell, progress=progress)
    if memory is not None and not outcome.failed and not warnings:
        memory.keep(outcome.evaluation)
    return outcome


def _read(source: PrunerSource) -> PrunerSource:
    """Returns a source that was read; as it is where it cannot be, which is told later."""
    with suppress(PluginError):
        return source.read()
    return source


def _run(
    request: Request,
    sources: Sequence[PrunerSource],
    started: Started,
    *,
    warn: Warn,
    progress: Progress,
) -> EvaluationOutcome:
    """Runs an evaluation with what was started for it, which another may have used before."""
    with TemporaryDirectory(dir=started.scratch, ignore_cleanup_errors=True) as scratch:
        started = replace(started, scratch=Path(scratch))
        from plantkit.evaluation import harness
        from plantkit.evaluation.calibration import machine_speed
        from plantkit.evaluation.preparation import prepare
        from plantkit.evaluation.run_directory import RunDirectory
        from plantkit.reports import table

        note_code()
        registry = load_installed()
        load_plantings(registry=registry)
        reporter = find_reporter(request.output_format, registry.reporters())
        metrics = registry.metrics()
        bundle_directories = registry.challenge_directories()
        installed = Installed.of(registry, strict=request.strict_plugins, warn=warn)
        named = [
            installed.entry(source) if source.pruner is None else entry_here(source)
            for source in sources
            if source.path is None
        ]
        contest = prepare(
            request, bundle_directories, jobs=started.jobs, warn=warn, progress=progress
        )
        names = sorted(installed.pruners) if contest.baselines is None else contest.baselines
        baselines = [installed.entry(PrunerSource(name=name)) for name in names]
        secrets = [*request.challenge_directories, *bundle_directories]
        secrets += [one.path for one in contest.challenges if one.path.exists()]
        if request.run_directory is not None:
            secrets.append(request.run_directory)
        backends = started.backends(secrets)
        submissions, broken = load_submissions(
            [source for source in sources if source.path is not None], backends[0], started.limits
        )
        fatal = broken[:1] if len(broken) == len(sources) else []
        for error in broken[len(fatal) :]:
            warn(error)
        if fatal:
            raise fatal[0]
        given = [*submissions, *named]
        others = [entry for entry in baselines if entry.label not in {one.label for one in named}]
        entries = with_unique_labels([*given, *others])
        cache = Cache() if request.cached else None
        resources = started.resources(
            backends,
            device=request.device,
            cache=cache,
            speed=machine_speed(cache),
            runs_here=any(source.pruner is not None for source in sources),
        )
        with ExitStack() as stack:
            run_directory = None
            if request.run_directory is not None:
                identity = harness.run_identity(
                    entries, contest.challenges, contest.protocol, resources, metrics
                )
                run_directory = stack.enter_context(
                    RunDirectory(request.run_directory, identity, resume=request.resume)
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
                keeps_masks=request.keeps_masks,
            )
            if run_directory is not None:
                run_directory.save_text(table.render(evaluation, details=True))
        if cache is not None:
            cache.trim()
    mine = {entry.label for entry in entries[: len(given)]}
    failed = any(record.status != "ok" for record in evaluation.records if record.pruner in mine)
    return EvaluationOutcome(
        evaluation=evaluation,
        reporter=reporter,
        failed=failed or bool(broken),
    )


def run_pruning(request: PruneRequest, *, warn: Warn, progress: Progress) -> Sequence[Attempt]:
    """Returns what came of one pruner on one challenge, and saves its masks. No truth is read.

    A mask is saved as `<out>/<sha256>.safetensors`, under its own digest; not where `out` is None.

    Raises: as `run_evaluation`.
    """
    source = parse_pruner(request.pruner)
    with start(request, nullcontext(), warn) as started:
        from plantkit.challenges import bundles, catalog
        from plantkit.evaluation import harness
        from plantkit.evaluation.run_directory import save_mask
        from plantkit.scoring.protocol import Protocol

        registry = load_installed()
        found = catalog.find(
            request.challenge_directories, plugins=registry.challenge_directories()
        )
        challenge = bundles.load_public(found.bundle(request.challenge))
        backends = started.backends([*request.challenge_directories, challenge.path])
        if source.path is None:
            entries = [Installed.of(registry, strict=False, warn=warn).entry(source)]
        else:
            entries, broken = load_submissions([source], backends[0], started.limits)
            if broken:
                raise broken[0]
        protocol = Protocol(
            densities=tuple(request.densities) or challenge.densities, seeds=request.seeds
        )
        attempts = harness.prune(
            entries, challenge, protocol, started.resources(backends), progress=progress
        )
        for attempt in attempts:
            if request.out is not None and attempt.mask is not None:
                save_mask(request.out, attempt.mask)
    return attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What has been started for a request. executor: trains; None where nothing is trained."""

    limits: Limits
    jobs: int
    scratch: Path
    servers: Sequence[PrunerServer]
    executor: Executor | None
    level: Level

    def backends(
        self, hidden: Sequence[Path], servers: Sequence[PrunerServer] | None = None
    ) -> list[LocalBackend]:
        """Returns what runs pruners on this machine; they cannot read what is in `hidden`.

        servers: which run them; those that have been started if None.
        """
        isolation = Isolation(level=self.level, hidden=tuple(hidden))
        servers = self.servers if servers is None else servers
        return [open_backend(self.scratch / "cells", isolation, one) for one in servers]

    def resources(
        self,
        backends: Sequence[Backend],
        *,
        device: str = "cpu",
        cache: Cache | None = None,
        speed: float | None = None,
        runs_here: bool = False,
    ) -> Resources:
        """Returns what the harness works with; a remote executor brings its own backends.

        runs_here: whether a pruner runs in this process. Then nothing more than that is recorded.
        """
        from plantkit.evaluation.resources import RemoteExecutor, Resources
        from plantkit.networks.training.executors import LocalExecutor
        from plantkit.scoring.evaluation import Settings

        if isinstance(self.executor, RemoteExecutor):
            backends = self.executor.backends(self.level)
        return Resources(
            settings=Settings(
                jobs=self.jobs,
                device=device,
                isolation=(Level.NONE if runs_here else self.level).value,
                speed=speed,
                time_seconds=self.limits.time_seconds,
                memory_mib=self.limits.memory_mib,
            ),
            limits=self.limits,
            backends=backends,
            scratch=self.scratch,
            executor=self.executor or LocalExecutor(),
            cache=cache,
        )


def start_evaluation(request: Request, warn: Warn) -> AbstractContextManager[Started]:
    """Starts what evaluations of a request need, and ends it with the block; see `start`."""
    servers = None if request.executor == "local" else 1  # here only submissions are loaded
    return start(request, open_executor(request), warn, servers=servers)


@contextmanager
def start(
    request: RunRequest,
    executor: AbstractContextManager[Executor | None],
    warn: Warn,
    *,
    servers: int | None = None,
) -> Iterator[Started]:
    """Starts what a request needs, and ends it with the block.

    What runs pruners comes first, before this machine is probed: servers import torch while we
    do. In this process nothing needs to start.

    Args:
        servers: how many processes run pruners on this machine; one per job if None.

    Raises:
        IsolationError: this machine lacks what the level that was asked for needs.
    """
    jobs = request.jobs or available_cores()
    pool = open_servers(servers or jobs, request.isolation)
    with scratch_directory() as scratch, pool as started_servers:
        begin_probe()
        with executor as trains:
            level, warning = choose(request.isolation, probe_machine())
            if warning:
                warn(warning)
            yield Started(
                limits=Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib),
                jobs=jobs,
                scratch=scratch,
                servers=started_servers,
                executor=trains,
                level=level,
            )


def open_servers(count: int, level: str) -> AbstractContextManager[list[PrunerServer]]:
    """Starts `count` processes that run pruners at a level; in this process, nothing."""
    if level == Level.NONE:
        return nullcontext([PrunerServer()])
    return server_pool(count, Level.WATCHED if level == Level.WATCHED else None)


def open_executor(request: Request) -> AbstractContextManager[Executor]:
    """Starts what trains; see `executor_called`."""
    return executor_called(
        request.executor, scheduler=request.scheduler, jobs=request.jobs, device=request.device
    )


@contextmanager
def executor_called(
    name: str, *, scheduler: str | None, jobs: int | None, device: str
) -> Iterator[Executor]:
    """Starts what works: processes on this machine, or a connection to a Dask cluster.

    Args:
        name: "local" or "dask". scheduler: its address. jobs: processes of this machine; one for
            every core if None. device: what trains.

    Raises:
        UsageError: an unknown executor or device, or a scheduler without a cluster.
    """
    if name == "local":
        if scheduler is not None:
            raise UsageError("--scheduler needs --executor dask")
        from plantkit.evaluation import harness  # noqa: F401 - forked with all that is imported
        from plantkit.networks.training import Device
        from plantkit.networks.training.executors import LocalExecutor

        is_gpu = Device.checked(device) is Device.CUDA
        # A GPU is filled by one process; forked now, before this process has threads.
        with LocalExecutor(1 if is_gpu else jobs or available_cores()) as local:
            local.start()
            yield local
    elif name == "dask":
        if scheduler is None:
            raise UsageError("--executor dask needs --scheduler ADDRESS")
        try:
            from plantkit.evaluation.cluster import DaskExecutor
        except ImportError as error:
            raise MissingExtraError(extra="cluster", needed_for="--executor dask") from error

        with DaskExecutor(scheduler) as cluster:
            yield cluster
    else:
        raise UnknownNameError("executor", name, ["local", "dask"])

"""One evaluation from names to text: finds everything, runs the harness, renders the result."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import PluginError, UnknownNameError, UsageError
from plantkit.isolation.client import PrunerServer, Scratch, describe_pruners, server_pool
from plantkit.isolation.wire import Limits, PrunerSource
from plantkit.machine import available_cores

if TYPE_CHECKING:
    from plantkit.bundles import Challenge
    from plantkit.catalog import Protocol
    from plantkit.harness import Entry, Evaluation
    from plantkit.plugins import RegisteredPruner, Registry
    from plantkit.reporters import Reporter

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
    baselines: str = "all"
    output_format: str = "table"
    run_directory: Path | None = None
    resume: bool = False
    jobs: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    strict_plugins: bool = False


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
    sources = [_parse_pruner(text) for text in request.pruners]
    jobs = request.jobs or available_cores()
    with (
        tempfile.TemporaryDirectory(prefix="plantkit-") as scratch,
        server_pool(jobs) as servers,  # started first: they import torch while we do
    ):
        return _run(request, sources, jobs, servers, Path(scratch), warn, progress)


def _run(
    request: Request,
    sources: Sequence[PrunerSource],
    jobs: int,
    servers: Sequence[PrunerServer],
    scratch_directory: Path,
    warn: Warn,
    progress: Callable[[str, int, int], None],
) -> _Done:
    from plantkit import harness
    from plantkit.plugins import load_installed
    from plantkit.reporters import find_reporters
    from plantkit.results import RunDirectory

    registry = load_installed()
    reporters = find_reporters(registry.reporters())
    if request.output_format not in reporters:
        raise UnknownNameError("format", request.output_format, reporters)
    installed = _Installed.of(registry, strict=request.strict_plugins, warn=warn)
    named = [installed.entry(source) for source in sources if source.path is None]
    baselines = [
        installed.entry(PrunerSource(name=name))
        for name in _baseline_names(request.baselines, list(installed.pruners))
    ]
    suite, challenges, protocol = _resolve_challenges(request, registry.challenge_directories())
    limits = Limits(time_seconds=request.time_seconds, memory_mib=request.memory_mib)
    submissions, broken = _load_submissions(
        [source for source in sources if source.path is not None],
        servers[0],
        Scratch(scratch_directory / "describe"),
        limits,
    )
    if broken and len(broken) == len(sources):
        raise broken[0]
    for error in broken:
        warn(error)
    given = [*submissions, *named]
    others = [entry for entry in baselines if entry.label not in {one.label for one in named}]
    entries = _with_unique_labels([*given, *others])
    run_directory = None
    if request.run_directory is not None:
        run_directory = RunDirectory(
            request.run_directory,
            harness.run_identity(entries, challenges, protocol),
            resume=request.resume,
        )
    evaluation = harness.evaluate(
        entries,
        challenges,
        protocol,
        settings=harness.Settings(jobs=jobs, limits=limits),
        servers=servers,
        scratch_directory=scratch_directory,
        suite=suite,
        run_directory=run_directory,
        metrics=registry.metrics(),
        progress=progress,
    )
    mine = {entry.label for entry in entries[: len(given)]}
    failed = any(record.status != "ok" for record in evaluation.records if record.pruner in mine)
    return _Done(
        evaluation=evaluation,
        reporter=reporters[request.output_format],
        failed=failed or bool(broken),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    """The installed pruners by name, and the version of the package that each comes from."""

    pruners: Mapping[str, RegisteredPruner]
    versions: Mapping[str, str]

    @classmethod
    def of(cls, registry: Registry, *, strict: bool, warn: Warn) -> _Installed:
        from plantkit.plugins import name_clashes, unique_names

        found = registry.pruners()
        failures = [*registry.failures, *name_clashes(found)]
        if failures and strict:
            raise failures[0]
        for failure in failures:
            warn(failure)
        return cls(
            pruners=unique_names(found),
            versions={plugin.name: plugin.version for plugin in registry.plugins},
        )

    def entry(self, source: PrunerSource) -> Entry:
        """Returns the entry of the installed pruner that `source` names.

        Raises:
            UnknownNameError: no such pruner. UsageError: options that it does not take.
        """
        from plantkit.harness import Entry
        from plantkit.plugins import configure

        name = source.name or ""
        if name not in self.pruners:
            raise UnknownNameError(
                "pruner",
                name,
                self.pruners,
                hint="a file is given by its path; see: plantkit list pruners",
            )
        registered = self.pruners[name]
        configure(registered.pruner, source.options)
        return Entry(
            label=_label(name, source.options),
            source=replace(source, entry_point=registered.plugin),
            reference=registered.pruner.reference,
            plugin=registered.plugin,
            version=self.versions.get(registered.plugin, ""),
        )


def _resolve_challenges(
    request: Request, plugin_directories: Sequence[Path]
) -> tuple[str | None, list[Challenge], Protocol]:
    """Returns the suite's name, the loaded challenges, and the protocol with what was overridden.

    Raises:
        UsageError: an unknown name, or a density that cannot be used.
        BundleError: a bundle is invalid.
    """
    from plantkit import bundles, catalog, harness

    found = catalog.find(request.challenge_directories, plugins=plugin_directories)
    suite = None if request.challenges else found.suite(request.suite or DEFAULT_SUITE)
    names = request.challenges if suite is None else suite.challenges
    challenges = [bundles.load(found.bundle(name)) for name in dict.fromkeys(names)]
    if suite is None:
        protocol = catalog.Protocol(densities=challenges[0].densities)
    else:
        protocol = suite.protocol
    protocol = replace(
        protocol,
        densities=tuple(request.densities) or protocol.densities,
        seeds=request.seeds or protocol.seeds,
    )
    for challenge in challenges:
        harness.resolve_densities(challenge, protocol)  # what cannot be used fails here
    return (suite.name if suite else None), challenges, protocol


def _parse_pruner(text: str) -> PrunerSource:
    """Returns the source that `path` or `name`, with `:option=value,...`, stands for.

    Raises:
        UsageError: a file that does not exist or is no file, or malformed options.
    """
    base, _, option_text = (
        text.rpartition(":") if "=" in text.rpartition(":")[2] else (text, "", "")
    )
    options = {}
    for pair in filter(None, option_text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"option {pair!r} of {base!r}: expected NAME=VALUE")
        options[key] = value
    path = Path(base)
    if path.is_dir():
        raise UsageError(f"{base} is a directory; expected a Python file or a pruner's name")
    if path.is_file():
        return PrunerSource(path=str(path.resolve()), options=options)
    if path.suffix == ".py" or len(path.parts) > 1:
        raise UsageError(f"{base} does not exist; expected a Python file or a pruner's name")
    return PrunerSource(name=base, options=options)


def _baseline_names(text: str, known: Sequence[str]) -> list[str]:
    if text == "all":
        return sorted(known)
    if text == "none":
        return []
    return [name.strip() for name in text.split(",") if name.strip()]


def _load_submissions(
    sources: Sequence[PrunerSource], server: PrunerServer, scratch: Scratch, limits: Limits
) -> tuple[list[Entry], list[PluginError]]:
    """Returns an entry for every pruner that the files define, and what could not be loaded."""
    from plantkit.harness import Entry

    entries, broken = [], []
    for source in sources:
        assert source.path is not None
        try:
            described = describe_pruners(server, scratch, source, limits)
        except PluginError as error:
            broken.append(error)
            continue
        digest = hashlib.sha256(Path(source.path).read_bytes()).hexdigest()
        entries += [
            Entry(
                label=_label(pruner["name"], source.options),
                source=replace(source, name=pruner["name"]),
                reference=pruner["reference"],
                sha256=digest,
            )
            for pruner in described
        ]
    return entries, broken


def _label(name: str, options: Mapping[str, str]) -> str:
    return name + (":" + ",".join(f"{k}={v}" for k, v in options.items()) if options else "")


def _with_unique_labels(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the entries, with the file's name added to labels that come more than once.

    Raises:
        UsageError: one pruner of one file was given twice.
    """
    labels = [entry.label for entry in entries]
    renamed = [
        replace(entry, label=f"{entry.label} ({Path(entry.source.path).name})")
        if entry.source.path is not None and labels.count(entry.label) > 1
        else entry
        for entry in entries
    ]
    labels = [entry.label for entry in renamed]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(
                f"pruner {label!r} was given twice; give it once, or rename one of the files"
            )
    return renamed

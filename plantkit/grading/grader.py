"""Runs a submission on what its rubric asks for, and marks every criterion."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.challenges.densities import density_of
from plantkit.errors import PluginError, UnknownNameError, did_you_mean
from plantkit.evaluation.requests import DEFAULT_SUITE, Progress, Request, Warn
from plantkit.evaluation.run import EvaluationOutcome, run_evaluation
from plantkit.grading.criteria import Bench, Measured, kind_of
from plantkit.grading.grade import Grade, Mark, MarkVerdict, clean, verdict_of
from plantkit.grading.measures import MEASURES, plugin_measure
from plantkit.grading.rubric import Criterion, Rubric, check_measure
from plantkit.isolation.levels import Isolation, Level
from plantkit.isolation.wire import Limits
from plantkit.pruners.sources import is_path, split_options
from plantkit.submissions.reading import STANDARD_INPUT

if TYPE_CHECKING:
    from plantkit.challenges.catalog import Catalog
    from plantkit.plugins import Registry
    from plantkit.scoring.entries import Entry
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.protocol import Protocol

_UNLOADABLE = Measured(
    value=None,
    got="nothing",
    message="the submission cannot be loaded",
    fault=MarkVerdict.ERROR,
)


def grade_submission(
    rubric: Rubric,
    request: Request,
    *,
    with_hidden: bool = False,
    missing_is_zero: bool = False,
    warn: Warn,
    progress: Progress = lambda *_: None,
    on_errors: Callable[[Iterable[tuple[str, str]]], None] = lambda _: None,
) -> Grade:
    """Returns the grade of a submission; one that cannot be loaded gets no points.

    Args:
        request: the one pruner, where its challenges are found, and how it is run. The rubric
            says what it is run on.
        with_hidden: whether hidden criteria are run.
        missing_is_zero: whether a path that does not exist is a submission without points.
        on_errors: called with what failed and its traceback in the submission's own lines. It is
            not told on which challenge, which may be hidden.

    Raises:
        RubricError: the rubric asks for something that does not exist.
        UsageError: the submission's file does not exist.
        BundleError: a challenge is invalid.
        SealedTruthError: a challenge is sealed, and its key was not given.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    started = time.monotonic()
    (pruner,) = request.pruners
    active = [criterion for criterion in rubric.criteria if with_hidden or not criterion.hidden]
    for criterion in active:
        if criterion.is_stub:
            raise rubric.fault(
                criterion,
                "it is hidden and has no details here; grade with the rubric of course staff, or "
                "with --hidden skip",
            )
    plan = _plan(rubric, active, request)
    visible = set(plan.run).union(*(plan.digests_of(c) for c in active if not c.hidden))

    def run(request: Request) -> EvaluationOutcome:
        outcome = run_evaluation(request, warn=warn, progress=progress)
        shown = [c.digest for c in outcome.challenges if request is plan.request]
        on_errors(
            (one.pruner, one.traceback)
            for one in outcome.evaluation.records
            if one.bundle_sha256 in visible.intersection(shown)
        )
        return outcome

    def grade(measure: Callable[[Criterion], Measured], **found: Any) -> Grade:
        return Grade(
            title=clean(rubric.title),
            marks=[
                _mark(criterion, measure(criterion) if criterion in active else None)
                for criterion in rubric.criteria
            ],
            pass_share=rubric.pass_share,
            decimals=rubric.decimals,
            seconds=time.monotonic() - started,
            hidden_visibility=rubric.gradescope_hidden,
            **found,
        )

    try:
        base, _ = split_options(pruner)
        if missing_is_zero and is_path(base) and not Path(base).exists():
            raise PluginError(Path(base).name, "was not submitted; submit a file of this name")
        outcome = run(plan.request)
        evaluation = outcome.evaluation
        entry = _only_entry(evaluation, pruner)
        fresh = {position: run(one) for position, one in plan.fresh.items()}
    except PluginError as error:
        on_errors([(Path(pruner).name, error.traceback)])
        message = _in_place(pruner, error)
        # A line of a helper, or of a notebook's cell, is not one of the file that was given.
        named = None if error.place else re.search(r"\bline (\d{1,6})\b", message)
        line = None if error.place else error.line
        return grade(
            lambda _: _UNLOADABLE,
            submission=clean(Path(pruner).name, 200),
            path=pruner,
            error=message,
            error_line=line or (int(named[1]) if named else None),
            format_errors=[message],
        )
    isolation = Isolation(level=Level(evaluation.settings.isolation), hidden=plan.closed)
    limits = Limits(time_seconds=rubric.run.time_seconds, memory_mib=rubric.run.memory_mib)

    def measure(criterion: Criterion) -> Measured:
        own = fresh.get(criterion.position, outcome)
        digests = plan.digests_of(criterion)
        bench = Bench(
            evaluation=own.evaluation,
            challenges=[c for c in own.challenges if own is not outcome or c.digest in digests],
            entry=entry,
            protocol=plan.protocol,
            limits=limits,
            isolation=isolation,
        )
        return kind_of(criterion).measure(criterion, bench)

    return grade(
        measure,
        submission=clean(entry.label, 200),
        path=pruner if entry.source.path is not None else None,
        format_errors=_format_errors(evaluation, entry.label, visible),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is run for a rubric.

    request: on the challenges of the run and those that criteria name. run: digests of the
    run's challenges. named: the digest of the challenge that a criterion names, by the
    criterion's position. fresh: requests on fresh instances, likewise. protocol: of the run; the
    requests also have densities that only criteria name. closed: directories that no pruner may
    read.
    """

    request: Request
    run: Collection[str]
    named: Mapping[int, str]
    fresh: Mapping[int, Request]
    protocol: Protocol
    closed: tuple[Path, ...]

    def digests_of(self, criterion: Criterion) -> Collection[str]:
        """Returns the digests of the challenges that a criterion looks at."""
        named = self.named.get(criterion.position)
        return self.run if named is None else [named]


def _plan(rubric: Rubric, active: Sequence[Criterion], request: Request) -> _Plan:
    from plantkit.challenges import bundles, catalog
    from plantkit.plugins import load_installed

    registry = load_installed()
    plugin_directories = registry.challenge_directories()
    found = catalog.find(request.challenge_directories, plugins=plugin_directories)
    _check_names(rubric, active, registry)
    names, protocol = _run_of(rubric, found)
    directories: dict[str, Path] = {}  # by digest, so that no bundle is run twice

    def add(name: str, *where: str | int) -> str:
        directory = _bundle(rubric, found, name, *where)
        digest = bundles.read_manifest(directory)[1]
        directories.setdefault(digest, directory)
        return digest

    run = [add(name, "run", "challenges", position) for position, name in enumerate(names)]
    named: dict[int, str] = {}
    fresh: list[tuple[Criterion, Path]] = []
    for criterion in active:
        if criterion.challenge is not None:
            where = ("criteria", criterion.position, "challenge")
            if criterion.fresh is None:
                named[criterion.position] = add(criterion.challenge, *where)
            else:
                fresh.append((criterion, _bundle(rubric, found, criterion.challenge, *where)))
    models = {criterion.position: path for criterion, path in fresh}
    for criterion in active:
        position = criterion.position
        digests = [named[position]] if position in named else run
        paths = [models[position]] if position in models else [directories[one] for one in digests]
        _check_density(rubric, criterion, paths)
    extra = [criterion.density for criterion in active if criterion.density is not None]
    baselines = {criterion.baseline for criterion in active if criterion.baseline is not None}
    request = replace(
        request,
        challenges=[str(path) for path in directories.values()],
        densities=list(dict.fromkeys([*protocol.densities, *extra])),
        seeds=protocol.seeds,
        baselines=",".join(sorted(baselines)) or "none",
        time_seconds=rubric.run.time_seconds,
        memory_mib=rubric.run.memory_mib,
    )
    return _Plan(
        request=request,
        run=run,
        named=named,
        # Planted in memory: their truth never lies on a disk that a submission might read.
        fresh={
            criterion.position: replace(
                request,
                challenges=[str(like)],
                fresh=criterion.fresh,
                fresh_seed_env=rubric.run.fresh_seed_env,
            )
            for criterion, like in fresh
        },
        protocol=protocol,
        closed=(*request.challenge_directories, *plugin_directories, *directories.values()),
    )


def _run_of(rubric: Rubric, found: Catalog) -> tuple[Sequence[str], Protocol]:
    """Returns the run's challenges, by id or path, and its protocol."""
    from plantkit.challenges import bundles
    from plantkit.scoring.protocol import Protocol

    run = rubric.run
    if run.challenges:
        names = run.challenges
        first = _bundle(rubric, found, names[0], "run", "challenges")
        manifest, _ = bundles.read_manifest(first)
        protocol = Protocol(densities=tuple(manifest["protocol"]["densities"]))
    else:
        try:
            suite = found.suite(run.suite or DEFAULT_SUITE)
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
    from plantkit.challenges import bundles

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


def _only_entry(evaluation: Evaluation, pruner: str) -> Entry:
    """Returns the submission's entry.

    Raises:
        PluginError: its file defines several pruners, or one that asks for rewinding.
    """
    labels = [e.label for e in evaluation.entries if e.source.path is not None]
    if len(labels) > 1:
        raise PluginError(
            pruner, f"defines {len(labels)} pruners, {', '.join(labels)}; a graded file defines one"
        )
    entry = evaluation.entries[0]
    if entry.rewind:
        raise PluginError(
            pruner,
            f"asks to be trained from step {entry.rewind}; grades are for training from the "
            "initial weights: leave out 'rewind'",
        )
    return entry


def _mark(criterion: Criterion, measured: Measured | None) -> Mark:
    """Returns the mark of a criterion, which was not run if `measured` is None."""
    mark = Mark(
        name=clean(criterion.name, 200),
        description=clean(criterion.description),
        points=0.0,
        max_points=criterion.points,
        verdict=MarkVerdict.NOT_RUN,
        hidden=criterion.hidden,
    )
    if measured is None:
        return mark
    points = criterion.credit.earned(measured.value)
    return replace(
        mark,
        points=points,
        verdict=verdict_of(points, criterion.points, fault=measured.fault),
        expected=kind_of(criterion).expected(criterion),
        got=clean(measured.got, 200),
        value=measured.value,
        message=clean(measured.message),
        seconds=measured.seconds,
    )


def _in_place(pruner: str, error: PluginError) -> str:
    """Returns why a submission cannot be loaded; its file is called by its name alone."""
    base, _ = split_options(pruner)
    path, name = str(Path(base).resolve()), Path(base).name
    if base == STANDARD_INPUT:
        return clean(error)
    message = clean(error).replace(path, name).removeprefix(f"{name}: {name}, ")
    return message if message.startswith(name) else f"{name}, {message}"


def _format_errors(evaluation: Evaluation, label: str, visible: Collection[str]) -> list[str]:
    """Returns what is wrong with masks on the challenges whose digests are `visible`."""
    return list(
        dict.fromkeys(
            clean(f"{record.challenge} at density {record.target_density:.4g}: {record.error}")
            for record in evaluation.records
            if record.pruner == label
            and record.status == "invalid"
            and record.bundle_sha256 in visible
        )
    )

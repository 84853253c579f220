"""Runs a submission on what its rubric asks for, and marks every criterion."""

from __future__ import annotations

import enum
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import PluginError, UnknownNameError, did_you_mean
from plantkit.evaluation.requests import DEFAULT_SUITE, Request
from plantkit.evaluation.run import run_evaluation
from plantkit.grading.criteria import Bench, Measured, kind_of
from plantkit.grading.fresh import fresh_request
from plantkit.grading.grade import Grade, Mark, Verdict, clean, verdict_of
from plantkit.grading.measures import MEASURES, plugin_measure
from plantkit.grading.rubric import Criterion, Rubric, check_measure
from plantkit.isolation.levels import AUTO, Isolation, Level
from plantkit.isolation.wire import Limits

if TYPE_CHECKING:
    from plantkit.challenges.catalog import Catalog
    from plantkit.plugins import Registry
    from plantkit.scoring.entries import Entry
    from plantkit.scoring.evaluation import Evaluation
    from plantkit.scoring.protocol import Protocol

Warn = Callable[[object], None]
Progress = Callable[[str, int, int], None]


class HiddenMode(enum.StrEnum):
    """What happens to hidden criteria. show: run, with their details in the table, too."""

    SKIP = "skip"
    RUN = "run"
    SHOW = "show"


def grade_submission(
    rubric: Rubric,
    pruner: str,
    *,
    hidden: HiddenMode = HiddenMode.SKIP,
    challenge_directories: Sequence[Path] = (),
    jobs: int | None = None,
    isolation: str = AUTO,
    key_file: Path | None = None,
    missing_is_zero: bool = False,
    warn: Warn,
    progress: Progress = lambda *_: None,
) -> Grade:
    """Returns the grade of a submission; one that cannot be loaded gets no points.

    Args:
        pruner: a path or an installed pruner's name, as for `plantkit evaluate`.
        isolation: one of `plantkit.isolation.levels.REQUESTS`; all criteria run under it.
        key_file: of sealed challenges; without it the variable PLANTKIT_KEY counts.
        missing_is_zero: a Python file that does not exist is a submission without points.

    Raises:
        RubricError: the rubric asks for something that does not exist.
        UsageError: the submission's file does not exist.
        BundleError: a challenge is invalid.
        SealedTruthError: a challenge is sealed, and its key was not given.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    started = time.monotonic()
    active = [c for c in rubric.criteria if hidden is not HiddenMode.SKIP or not c.hidden]
    for criterion in active:
        if criterion.is_stub:
            raise rubric.error(
                f"criterion {criterion.name!r} is hidden and tells no details here; grade with "
                "the rubric of course staff, or with --hidden skip",
                "criteria",
                criterion.position,
            )
    plan = _plan(rubric, active, challenge_directories)
    request = Request(
        pruners=[pruner],
        challenges=[str(path) for path in plan.directories],
        challenge_directories=challenge_directories,
        densities=plan.densities,
        seeds=plan.protocol.seeds,
        baselines=",".join(plan.baselines) or "none",
        jobs=jobs,
        isolation=isolation,
        key_file=key_file,
        time_seconds=rubric.run.time_seconds,
        memory_mib=rubric.run.memory_mib,
    )
    fresh_requests = {
        criterion: fresh_request(rubric, criterion, like, request)
        for criterion, like in plan.fresh.items()
    }
    try:
        if missing_is_zero and pruner.endswith(".py") and not Path(pruner).is_file():
            raise PluginError(Path(pruner).name, "was not submitted; submit a file of this name")
        evaluation = run_evaluation(request, warn=warn, progress=progress).evaluation
        entry = _only_entry(evaluation, pruner)
        fresh = {
            criterion: run_evaluation(one, warn=warn, progress=progress).evaluation
            for criterion, one in fresh_requests.items()
        }
    except PluginError as error:
        return _unloadable(rubric, active, pruner, error, time.monotonic() - started)
    bench = _bench(rubric, plan, evaluation, entry, challenge_directories)
    benches = {
        criterion: replace(bench, evaluation=one, challenges=one.challenges)
        for criterion, one in fresh.items()
    }
    marks = [
        _mark(criterion, kind_of(criterion).measure(criterion, benches.get(criterion, bench)))
        if criterion in active
        else _not_run(criterion)
        for criterion in rubric.criteria
    ]
    return Grade(
        title=clean(rubric.title),
        submission=clean(entry.label, 200),
        path=pruner if entry.source.path is not None else None,
        marks=marks,
        pass_share=rubric.pass_share,
        decimals=rubric.decimals,
        seconds=time.monotonic() - started,
        format_errors=_format_errors(bench, active),
        hidden_visibility=rubric.gradescope_hidden,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """directories: of all bundles, those of the run first. plugin_directories: where plugins
    keep bundles. places: by criterion, positions in
    `directories`. fresh: what fresh instances are like, by criterion. protocol: of the run;
    `densities` has those that only criteria name, too."""

    directories: Sequence[Path]
    plugin_directories: Sequence[Path]
    run_count: int
    places: Mapping[int, Sequence[int]]
    fresh: Mapping[Criterion, Path]
    protocol: Protocol
    densities: Sequence[float | str]
    baselines: Sequence[str]


def _plan(
    rubric: Rubric, active: Sequence[Criterion], challenge_directories: Sequence[Path]
) -> _Plan:
    from plantkit.challenges import bundles, catalog
    from plantkit.plugins import load_installed

    registry = load_installed()
    found = catalog.find(challenge_directories, plugins=registry.challenge_directories())
    names, protocol = _run_of(rubric, found)
    directories: dict[str, Path] = {}  # by digest, so that no bundle is run twice

    def add(directory: Path) -> int:
        digest = bundles.read_manifest(directory)[1]
        directories.setdefault(digest, directory)
        return list(directories).index(digest)

    for position, name in enumerate(names):
        add(_bundle(rubric, found, name, "run", "challenges", position))
    run_count = len(directories)
    places = {}
    fresh = {}
    for criterion in active:
        if criterion.challenge is None:
            continue
        where = ("criteria", criterion.position, "challenge")
        directory = _bundle(rubric, found, criterion.challenge, *where)
        if criterion.fresh is None:
            places[criterion.position] = [add(directory)]
        else:
            fresh[criterion] = directory
    _check_names(rubric, active, registry)
    extra = [c.density for c in active if c.density is not None]
    return _Plan(
        directories=list(directories.values()),
        plugin_directories=registry.challenge_directories(),
        run_count=run_count,
        places=places,
        fresh=fresh,
        protocol=protocol,
        densities=list(dict.fromkeys([*protocol.densities, *extra])),
        baselines=sorted({c.baseline for c in active if c.baseline is not None}),
    )


def _run_of(rubric: Rubric, found: Catalog) -> tuple[Sequence[str], Protocol]:
    """Returns the run's challenges, by id or path, and its protocol."""
    from plantkit.challenges import bundles
    from plantkit.scoring.protocol import Protocol

    run = rubric.run
    if run.challenges:
        names: Sequence[str] = run.challenges
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
        densities=run.densities or protocol.densities,
        seeds=run.seeds or protocol.seeds,
    )


def _bundle(rubric: Rubric, found: Catalog, name: str, *where: str | int) -> Path:
    try:
        return found.bundle(name)
    except UnknownNameError as error:
        raise rubric.error(str(error), *where) from error


def _check_names(rubric: Rubric, active: Sequence[Criterion], registry: Registry) -> None:
    """Raises `RubricError` for a metric or baseline that is not installed."""
    metrics = [metric.name for metric in registry.metrics()]
    pruners = [registered.name for registered in registry.pruners()]
    for criterion in active:

        def fail(message: str, key: str = "name", position: int = criterion.position) -> Exception:
            return rubric.error(message, "criteria", position, key)

        if criterion.baseline is not None and criterion.baseline not in pruners:
            near = did_you_mean(criterion.baseline, pruners)
            raise fail(f"no pruner is named {criterion.baseline!r}{near}", "baseline")
        if criterion.kind == "metric" and criterion.metric not in MEASURES:
            if criterion.metric not in metrics:
                near = did_you_mean(criterion.metric, [*MEASURES, *metrics])
                known = "" if near else f"; expected one of {', '.join([*MEASURES, *metrics])}"
                raise fail(f"no metric is named {criterion.metric!r}{near}{known}", "metric")
            check_measure(criterion, plugin_measure(criterion.metric), fail)


def _bench(
    rubric: Rubric,
    plan: _Plan,
    evaluation: Evaluation,
    entry: Entry,
    challenge_directories: Sequence[Path],
) -> Bench:
    challenges = evaluation.challenges  # in the order of the request
    return Bench(
        rubric=rubric,
        evaluation=evaluation,
        entry=entry,
        protocol=plan.protocol,
        challenges=challenges[: plan.run_count],
        places={
            criterion: [challenges[position] for position in positions]
            for criterion, positions in plan.places.items()
        },
        limits=Limits(time_seconds=rubric.run.time_seconds, memory_mib=rubric.run.memory_mib),
        isolation=Isolation(
            level=Level(evaluation.settings.isolation),
            hidden=(*challenge_directories, *plan.plugin_directories, *plan.directories),
        ),
    )


def _only_entry(evaluation: Evaluation, pruner: str) -> Entry:
    """Returns the submission's entry.

    Raises:
        PluginError: its file defines several pruners.
    """
    first = evaluation.entries[0]
    labels = [e.label for e in evaluation.entries if e.source.path is not None]
    if len(labels) > 1:
        raise PluginError(
            pruner, f"defines {len(labels)} pruners, {', '.join(labels)}; a graded file defines one"
        )
    return first


def _mark(criterion: Criterion, measured: Measured) -> Mark:
    points = criterion.credit.earned(measured.value)
    return Mark(
        name=clean(criterion.name, 200),
        description=clean(criterion.description),
        points=points,
        max_points=criterion.points,
        verdict=verdict_of(points, criterion.points, fault=measured.fault),
        hidden=criterion.hidden,
        expected=_expected(criterion),
        got=clean(measured.got, 200),
        value=measured.value,
        message=clean(measured.message),
        seconds=measured.seconds,
    )


def _not_run(criterion: Criterion) -> Mark:
    return Mark(
        name=clean(criterion.name, 200),
        description=clean(criterion.description),
        points=0.0,
        max_points=criterion.points,
        verdict=Verdict.NOT_RUN,
        hidden=True,
    )


def _expected(criterion: Criterion) -> str:
    """Returns what a criterion asks for, in words."""
    if criterion.kind != "metric":
        what = {
            "conformance": "all checks passed",
            "determinism": "the same mask again",
        }.get(criterion.kind, criterion.kind)
        return what if criterion.credit.target == 1.0 else f"{what}: {criterion.credit.expected()}"
    words = [criterion.track, criterion.metric.replace("_", " ")]
    if criterion.challenge is not None:
        words.append(f"on {Path(criterion.challenge).name}")
    if criterion.density is not None:
        words.append(f"at density {criterion.density},")
    words.append(criterion.credit.expected())
    if criterion.baseline is not None:
        words.append(f"above {criterion.baseline}")
    return " ".join(word for word in words if word)


def _unloadable(
    rubric: Rubric, active: Sequence[Criterion], pruner: str, error: PluginError, seconds: float
) -> Grade:
    """Returns the grade of a submission that cannot be loaded: nothing, and why."""
    path, name = str(Path(pruner).resolve()), Path(pruner).name
    message = clean(error).replace(path, name).removeprefix(f"{name}: {name}, ")
    message = message if message.startswith(name) else f"{name}, {message}"
    marks = [
        Mark(
            name=clean(criterion.name, 200),
            description=clean(criterion.description),
            points=0.0,
            max_points=criterion.points,
            verdict=Verdict.ERROR,
            hidden=criterion.hidden,
            expected=_expected(criterion),
            got="nothing",
            message="the submission cannot be loaded",
        )
        if criterion in active
        else _not_run(criterion)
        for criterion in rubric.criteria
    ]
    return Grade(
        title=clean(rubric.title),
        submission=clean(Path(pruner).name, 200),
        path=pruner,
        marks=marks,
        pass_share=rubric.pass_share,
        decimals=rubric.decimals,
        seconds=seconds,
        error=message,
        error_line=error.line or _line_named_in(message),
        format_errors=[message],
        hidden_visibility=rubric.gradescope_hidden,
    )


def _line_named_in(message: str) -> int | None:
    found = re.search(r"\bline (\d{1,6})\b", message)
    return int(found[1]) if found else None


def _format_errors(bench: Bench, active: Sequence[Criterion]) -> list[str]:
    """Returns what is wrong with masks of runs that visible criteria look at."""
    visible = {challenge.digest for challenge in bench.challenges} | {
        challenge.digest
        for criterion in active
        if not criterion.hidden
        for challenge in bench.challenges_of(criterion)
    }
    return list(
        dict.fromkeys(
            clean(f"{record.challenge} at density {record.target_density:.4g}: {record.error}")
            for record in bench.evaluation.records
            if record.pruner == bench.entry.label
            and record.status == "invalid"
            and record.bundle_sha256 in visible
        )
    )

"""Runs a study's units in processes side by side, and saves each when it is done.

A study can be run in parts, on several machines and over days, each in a directory of its own;
`merge_runs` puts them together.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from plantkit.errors import PlantkitError, ResultsError, UsageError
from plantkit.files import Journal, read_records
from plantkit.networks.training.executors import Executor, LocalExecutor
from plantkit.research.studies import find_study
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.records import Records, UnitResult
from plantkit.research.studies.study import Selection, Study, Unit
from plantkit.version import __version__

#: What a directory of results belongs to.
_IDENTITY_FILE = "study.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """How many units are left to do, and the seconds that they will take by calibration.

    known_units: how many are done. cpu_seconds: of processors, or of the clock on a GPU.
    device: what trains.
    """

    units: int
    known_units: int
    cpu_seconds: float
    device: str = "cpu"

    def __str__(self) -> str:
        known = f" ({self.known_units} more are done)" if self.known_units else ""
        return f"{self.units} runs to do{known}, about {span(self.cpu_seconds, self.device)}"


def span(seconds: float, device: str = "cpu") -> str:
    """Returns a duration of work in words, in minutes up to three hours."""
    of = "CPU" if device == "cpu" else "GPU"
    if seconds < 3 * 3600:
        return f"{seconds / 60:.1f} {of} minutes"
    if seconds < 3 * 86_400:
        return f"{seconds / 3600:.1f} {of} hours"
    return f"{seconds / 86_400:.0f} {of} days"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """All results of a study, those of earlier runs in its directory included.

    cost: as estimated before the run began. cpu_seconds: of this run. jobs: processes.
    missing: how many units of the selection have no result. directories: of the runs that were
    merged, if any.
    """

    study: Study
    selection: Selection
    results: tuple[UnitResult, ...]
    cost: Cost
    cpu_seconds: float
    jobs: int
    missing: int = 0
    directories: int = 0

    @property
    def records(self) -> Records:
        """The records of all units, in the order of the study's grid."""
        found = {
            tuple(sorted(record.coordinates.items())): record
            for result in self.results
            for record in result.records
        }  # units may overlap, as those of a small and a large grid do: equal records count once
        return Records(list(found.values()))

    @property
    def failures(self) -> list[UnitResult]:
        """The units that could not be run."""
        return [result for result in self.results if result.error]

    @property
    def setting(self) -> dict[str, str]:
        """What the results depend on besides their coordinates, by name."""
        return _common_setting((result, "") for result in self.results)


def run_study(
    study: Study,
    selection: Selection,
    *,
    directory: Path | None = None,
    resume: bool = False,
    jobs: int = 1,
    executor: Executor | None = None,
    calibration: Calibration | None = None,
    on_cost: Callable[[Cost], None] = lambda _: None,
    on_result: Callable[[UnitResult, int, int], None] = lambda *_: None,
) -> StudyOutcome:
    """Returns the results of the units that `selection` wants, and of those done before.

    Args:
        directory: where results are saved as they are made; None keeps them in memory.
        resume: go on with what is in `directory`.
        jobs: processes; results do not depend on it.
        executor: what does the work, in place of these processes.
        calibration: this machine's speed; None measures it.
        on_cost: called with the cost before the first unit starts.
        on_result: called with each result, how many are done, and how many there are.

    Raises:
        UsageError: nothing was chosen, or the directory cannot be used.
        ExecutorError: a process died.
    """
    units = _chosen(study, selection)
    with contextlib.ExitStack() as stack:
        saved = None
        if directory is not None:
            saved = stack.enter_context(_open(directory, study.name, resume=resume))
        earlier = [] if saved is None else saved.records
        # Failed units are tried again.
        known = {result.unit: result for result in earlier if not result.error}
        missing = [unit for unit in units if unit.id not in known]
        _common_setting(
            [
                *((result, str(directory)) for result in known.values()),
                *((unit, "this run") for unit in units),
            ]
        )
        cost = Cost(
            units=len(missing),
            known_units=len(units) - len(missing),
            cpu_seconds=_seconds(study, missing, calibration),
            device=selection.device,
        )
        on_cost(cost)
        found: dict[str, UnitResult] = {}

        def keep(result: UnitResult) -> None:
            found[result.unit] = result
            if saved is not None:
                saved.append([result])
            on_result(result, len(found), len(missing))

        if executor is None:
            executor = stack.enter_context(LocalExecutor(jobs))
        executor.map(run_unit, missing, on_result=keep)
    return StudyOutcome(
        study=study,
        selection=selection,
        results=_ordered(known | found, units),
        cost=cost,
        cpu_seconds=sum(result.cpu_seconds for result in found.values()),
        jobs=executor.jobs,
    )


def merge_runs(study: Study, selection: Selection, directories: Sequence[Path]) -> StudyOutcome:
    """Returns the results in the directories of several runs, of which nothing is run again.

    A unit may be in several of them, with the same result. A run may still be under way.

    Raises:
        UsageError: a directory has no run of this study, or one of another plantkit; or two have
            results that do not belong together.
        ResultsError: a file cannot be read.
    """
    found: dict[str, tuple[UnitResult, Path]] = {}
    for directory in directories:
        _check_identity(directory, study.name)
        for result in read_records(directory, UnitResult.from_json):
            other, where = found.get(result.unit, (None, directory))
            if other is None or other.error:
                found[result.unit] = (result, directory)
            elif not result.error and result.records != other.records:
                raise UsageError(
                    f"{where} and {directory} have different results of {result.unit}: they were "
                    "made by different code, or on different machines; leave one of them out"
                )
    _common_setting((result, str(where)) for result, where in found.values())
    results = {unit: result for unit, (result, _) in found.items()}
    records = [record for result in results.values() for record in result.records]
    units = study.expected(selection, Records(records))
    done = [unit for unit in units if unit.id in results and not results[unit.id].error]
    return StudyOutcome(
        study=study,
        selection=selection,
        results=_ordered(results, units),
        cost=Cost(units=0, known_units=len(done), cpu_seconds=0.0),
        cpu_seconds=0.0,
        jobs=1,
        missing=len(units) - len(done),
        directories=len(directories),
    )


def _chosen(study: Study, selection: Selection) -> list[Unit]:
    units = study.select(selection)
    return units if selection.part is None else study.part(units, *selection.part)


def _ordered(results: Mapping[str, UnitResult], units: Sequence[Unit]) -> tuple[UnitResult, ...]:
    """Returns results in the grid's order, and then all others, in one that never changes."""
    order = {unit.id: number for number, unit in enumerate(units)}
    return tuple(
        results[unit] for unit in sorted(results, key=lambda id_: (order.get(id_, len(order)), id_))
    )


def _common_setting(found: Iterable[tuple[UnitResult | Unit, str]]) -> dict[str, str]:
    """Returns what results depend on besides their coordinates.

    found: results or units, each with where it is from.

    Raises:
        UsageError: two of them do not belong together.
    """
    common: dict[str, tuple[str, str]] = {}
    for one, where in found:
        for name, value in one.setting.items():
            known, other = common.setdefault(name, (value, where))
            if known != value:
                raise UsageError(
                    f"{name}: {known} in {other}, {value} in {where}; expected the same, or "
                    "directories of their own"
                )
    return {name: value for name, (value, _) in common.items()}


def _identity(study: str) -> dict[str, str]:
    return {"study": study, "plantkit_version": __version__}


def _open(directory: Path, study: str, *, resume: bool) -> Journal[UnitResult]:
    """Returns the results in a directory. Different parts of one study can use the same."""
    return Journal(
        directory, _identity(study), kind="study", parse=UnitResult.from_json, resume=resume
    )


def _check_identity(directory: Path, study: str) -> None:
    """Checks that a directory has a run of this study, by this plantkit."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory; expected one that --run-dir made")
    file = directory / _IDENTITY_FILE
    if not file.is_file():
        raise UsageError(
            f"{directory}: has no {_IDENTITY_FILE}; expected a directory that "
            f"plantkit study {study} --run-dir made"
        )
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from error
    for name, wanted in _identity(study).items():
        if found.get(name) != wanted:
            raise UsageError(
                f"{directory}: its {name.replace('_', ' ')} is {found.get(name)!r}; "
                f"expected {wanted!r}"
            )


def estimate(study: Study, selection: Selection) -> Cost:
    """Returns what all units that `selection` wants would cost; calibrates this machine."""
    units = _chosen(study, selection)
    return Cost(
        units=len(units),
        known_units=0,
        cpu_seconds=_seconds(study, units, None),
        device=selection.device,
    )


def run_unit(unit: Unit) -> UnitResult:
    """Returns the result of one unit; called in another process if there are several."""
    begun = time.process_time()
    try:
        records, error = tuple(find_study(unit.study).run(unit)), ""
    except PlantkitError as failure:
        records, error = (), f"{type(failure).__name__}: {failure}"
    return UnitResult(
        unit=unit.id,
        records=records,
        cpu_seconds=time.process_time() - begun,
        error=error,
        setting=unit.setting,
    )


def _seconds(study: Study, units: Sequence[Unit], calibration: Calibration | None) -> float:
    if not units:
        return 0.0
    speed = study.calibrated(units) if calibration is None else calibration
    return sum(study.seconds(unit, speed) for unit in units)

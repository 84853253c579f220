"""Runs a study's units in processes side by side, and saves each when it is done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plantkit.errors import PlantkitError
from plantkit.files import Journal
from plantkit.networks.training.executors import LocalExecutor
from plantkit.research.studies import find_study
from plantkit.research.studies.calibration import Calibration, calibrate
from plantkit.research.studies.records import Records, UnitResult
from plantkit.research.studies.study import Selection, Study, Unit
from plantkit.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """How many units are left to do, and the CPU seconds that they will take by calibration."""

    units: int
    known_units: int
    cpu_seconds: float

    def __str__(self) -> str:
        known = f" ({self.known_units} more are done)" if self.known_units else ""
        return f"{self.units} runs to do{known}, about {self.cpu_seconds / 60:.1f} CPU minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """All results of a study, those of earlier runs in its directory included.

    cost: as estimated before the run began. cpu_seconds: of this run. jobs: processes.
    """

    study: Study
    selection: Selection
    results: tuple[UnitResult, ...]
    cost: Cost
    cpu_seconds: float
    jobs: int

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


def run_study(
    study: Study,
    selection: Selection,
    *,
    directory: Path | None = None,
    resume: bool = False,
    jobs: int = 1,
    calibration: Calibration | None = None,
    on_cost: Callable[[Cost], None] = lambda _: None,
    on_result: Callable[[UnitResult, int, int], None] = lambda *_: None,
) -> StudyOutcome:
    """Returns the results of the units that `selection` wants, and of those done before.

    Args:
        directory: where results are saved as they are made; None keeps them in memory.
        resume: go on with what is in `directory`.
        jobs: processes; results do not depend on it.
        calibration: this machine's speed; None measures it.
        on_cost: called with the cost before the first unit starts.
        on_result: called with each result, how many are done, and how many there are.

    Raises:
        UsageError: nothing was chosen, or the directory cannot be used.
        ExecutorError: a process died.
    """
    units = study.select(selection)
    with contextlib.ExitStack() as stack:
        saved = None
        if directory is not None:
            saved = stack.enter_context(_open(directory, study.name, resume=resume))
        earlier = [] if saved is None else saved.records
        # Failed units are tried again.
        known = {result.unit: result for result in earlier if not result.error}
        missing = [unit for unit in units if unit.id not in known]
        cost = Cost(
            units=len(missing),
            known_units=len(units) - len(missing),
            cpu_seconds=_seconds(study, missing, calibration),
        )
        on_cost(cost)
        found: dict[str, UnitResult] = {}

        def keep(result: UnitResult) -> None:
            found[result.unit] = result
            if saved is not None:
                saved.append([result])
            on_result(result, len(found), len(missing))

        with LocalExecutor(jobs) as executor:
            executor.map(run_unit, missing, on_result=keep)
    results = known | found
    order = {unit.id: number for number, unit in enumerate(units)}
    return StudyOutcome(
        study=study,
        selection=selection,
        # The directory's other units come last, in an order that does not depend on when they ran.
        results=tuple(
            results[unit]
            for unit in sorted(results, key=lambda id_: (order.get(id_, len(order)), id_))
        ),
        cost=cost,
        cpu_seconds=sum(result.cpu_seconds for result in found.values()),
        jobs=jobs,
    )


def _open(directory: Path, study: str, *, resume: bool) -> Journal[UnitResult]:
    """Returns the results in a directory. Different parts of one study can use the same."""
    identity = {"study": study, "plantkit_version": __version__}
    return Journal(directory, identity, kind="study", parse=UnitResult.from_json, resume=resume)


def estimate(study: Study, selection: Selection) -> Cost:
    """Returns what all units that `selection` wants would cost; calibrates this machine."""
    units = study.select(selection)
    return Cost(units=len(units), known_units=0, cpu_seconds=_seconds(study, units, None))


def run_unit(unit: Unit) -> UnitResult:
    """Returns the result of one unit; called in another process if there are several."""
    begun = time.process_time()
    try:
        records, error = tuple(find_study(unit.study).run(unit)), ""
    except PlantkitError as failure:
        records, error = (), f"{type(failure).__name__}: {failure}"
    return UnitResult(
        unit=unit.id, records=records, cpu_seconds=time.process_time() - begun, error=error
    )


def _seconds(study: Study, units: Sequence[Unit], calibration: Calibration | None) -> float:
    if not units:
        return 0.0
    speed = calibrate() if calibration is None else calibration
    return sum(study.seconds(unit, speed) for unit in units)

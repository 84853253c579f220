"""A study that takes no time, for the tests of the framework; also a script that runs it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from plantkit.errors import UsageError
from plantkit.research.studies import STUDIES
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import Claim, Figure, Judgement
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.report import report_json
from plantkit.research.studies.runner import StudyOutcome, run_study
from plantkit.research.studies.study import Selection, Study, Unit

FAILING = "odd"


def judge_doubling(records: Records) -> Judgement:
    """Holds if `doubled` averages twice the mean of the numbers 0 to 3."""
    found = records.where(kind="even").values("doubled")
    if not found:
        return Judgement(holds=None)
    figure = Figure.of("doubled", found)
    return Judgement(holds=figure.mean == 3.0, figures=(figure,))


class ToyStudy(Study):
    """Doubles numbers; those of the kind "odd" cannot be run."""

    name = "toy"
    title = "A toy"
    reference = "nowhere"
    choices = {"kind": "What numbers.", "number": "Which number."}  # noqa: RUF012
    claims = (
        Claim(
            id="doubling",
            claim="Doubling doubles",
            source="arithmetic",
            criterion="the mean is 3",
            judges=(judge_doubling,),
        ),
    )

    def __init__(self, seconds: float = 0.0) -> None:
        self.pause = seconds

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        return [
            Unit(study=self.name, coordinates={"kind": kind, "number": number, "seed": seed})
            for seed in range(1 if seeds is None else seeds)
            for kind in ("even", FAILING)
            for number in range(2 if quick else 4)
            if kind != FAILING or number == 1
        ]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        return 60.0

    def run(self, unit: Unit) -> list[StudyRecord]:
        time.sleep(self.pause)
        if unit.coordinates["kind"] == FAILING:
            raise UsageError("odd numbers cannot be run")
        number = float(unit.coordinates["number"])
        return [
            StudyRecord(coordinates=unit.coordinates, values={"doubled": 2 * number, "none": None})
        ]


class Module:
    """Stands for the module that the registry names."""

    STUDY = ToyStudy()


def register(seconds: float = 0.0) -> ToyStudy:
    """Registers the toy in this process and returns it."""
    Module.STUDY = ToyStudy(seconds)
    sys.modules["toy_study_module"] = Module  # type: ignore[assignment]
    STUDIES["toy"] = "toy_study_module"
    return Module.STUDY


def run_in(directory: Path, *, resume: bool = False, seconds: float = 0.0) -> StudyOutcome:
    """Runs 40 units of the toy, saved in `directory`."""
    return run_study(
        register(seconds),
        Selection(seeds=10, chosen={"kind": ["even"]}),
        directory=directory,
        resume=resume,
        calibration=Calibration(seconds_per_step=0, seconds_per_parameter=0),
        on_result=lambda *_: print("done", flush=True),
    )


if __name__ == "__main__":
    outcome = run_in(Path(sys.argv[1]), resume=True, seconds=0.02)
    print(json.dumps(report_json(outcome)["records"]))

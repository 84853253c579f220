"""The study: its grid, what a run costs, and where its claims, tables and plots are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from plantkit.evaluation.cache import Cache
from plantkit.networks.training import Recipe
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import Claim
from plantkit.research.studies.plant_n_seek.claims import CLAIMS
from plantkit.research.studies.plant_n_seek.grid import coordinates, experiments
from plantkit.research.studies.plant_n_seek.methods import Schedule
from plantkit.research.studies.plant_n_seek.networks import TRAIN_SAMPLES, network_of
from plantkit.research.studies.plant_n_seek.plots import draw
from plantkit.research.studies.plant_n_seek.runs import place_of, run_coordinates
from plantkit.research.studies.plant_n_seek.tables import tables
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.study import Plot, Study, Unit
from plantkit.research.studies.tables import Table

#: Dense trainings of the recipe that a unit takes as long as, pruning to all densities included:
#: means over the units of the quick grid.
_TRAININGS: Mapping[Schedule, float] = MappingProxyType(
    {
        Schedule.NONE: 1.5,
        Schedule.SINGLE: 1.9,
        Schedule.MULTISHOT: 19.0,
        Schedule.CONSTANT: 31.0,
        Schedule.ANNEALED: 35.0,
    }
)
_PLANTING_SECONDS = 0.15  # a share: the units of one network stand together and plant it once


class PlantNSeek(Study):
    """Prunes freshly planted networks by the paper's grid and judges its findings."""

    name: ClassVar[str] = "plant-n-seek"
    title: ClassVar[str] = "Plant 'n' Seek: which pruners find planted tickets?"
    reference: ClassVar[str] = "arXiv 2111.11153"
    choices: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "task": "What is planted.",
            "depth": "Layers of neurons, input and output included.",
            "width": "Units a hidden layer.",
            "noise": "Share of labels moved, or standard deviation on targets.",
            "schedule": "How pruning goes on; none is the dense network and the ticket.",
            "pruner": "Method; reference is the dense network and the ticket.",
        }
    )
    claims: ClassVar[Sequence[Claim]] = CLAIMS

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        grid = coordinates(experiments(quick=quick), seeds)
        return [Unit(study=self.name, coordinates=run) for run in grid]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        network = network_of(place_of(unit.coordinates))
        training = calibration.training_seconds(network.total, Recipe().steps(TRAIN_SAMPLES))
        schedule = Schedule(str(unit.coordinates["schedule"]))
        return _PLANTING_SECONDS + _TRAININGS[schedule] * training

    def run(self, unit: Unit) -> list[StudyRecord]:
        cache = Cache()
        records = run_coordinates(unit.coordinates, cache)
        cache.trim()  # the answers of wide networks are large
        return records

    def tables(self, records: Records) -> list[Table]:
        return tables(records)

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        return draw(records, directory)

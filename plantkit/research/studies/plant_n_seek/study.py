"""The study `plant-n-seek`; it puts together its grid, runs, claims, tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from plantkit.evaluation.cache import Cache
from plantkit.networks.training import Recipe
from plantkit.reports.tables import Table
from plantkit.research.studies.calibration import Calibration
from plantkit.research.studies.claims import Claim, Finding, load_claims
from plantkit.research.studies.plant_n_seek.grid import Place, grid
from plantkit.research.studies.plant_n_seek.networks import TRAIN_SAMPLES
from plantkit.research.studies.plant_n_seek.pages import draw, tables
from plantkit.research.studies.plant_n_seek.runs import run_coordinates
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.rules import RULES
from plantkit.research.studies.study import Plot, Study, Unit

#: How many dense trainings take as long as a unit, which prunes to all densities; by schedule.
#: Means over the units of the quick grid.
_TRAININGS: Mapping[str, float] = {
    "none": 1.5,
    "single": 1.9,
    "multishot": 19.0,
    "constant": 31.0,
    "annealed": 35.0,
}
_PLANTING_SECONDS = 0.15  # a share: a network's units come one after another and plant it once


class PlantNSeek(Study):
    """Prunes freshly planted networks by the paper's grid and judges its findings."""

    name: ClassVar[str] = "plant-n-seek"
    title: ClassVar[str] = "Plant 'n' Seek: which pruners find planted tickets?"
    reference: ClassVar[str] = "arXiv 2111.11153"
    choices: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "task": "What is planted.",
            "depth": "Layers of neurons, input and output included.",
            "width": "Units per hidden layer.",
            "noise": "Share of labels moved, or standard deviation on targets.",
            "schedule": "How pruning goes on; none is the dense network and the ticket.",
            "pruner": "Method; reference is the dense network and the ticket.",
        }
    )
    claims: ClassVar[Sequence[Claim]] = load_claims(Path(__file__).with_name("claims.toml"), RULES)

    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        return [Unit(study=self.name, coordinates=run) for run in grid(quick=quick, seeds=seeds)]

    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        network = Place.of(unit.coordinates).network
        training = calibration.training_seconds(network.total, Recipe().steps(TRAIN_SAMPLES))
        return _PLANTING_SECONDS + _TRAININGS[str(unit.coordinates["schedule"])] * training

    def findings(self, records: Records) -> list[Finding]:
        """Returns what became of every claim; claims call the ticket's density "planted"."""
        return super().findings(
            Records(
                replace(record, coordinates={**record.coordinates, "density": "planted"})
                if record.coordinates.get("is_planted")
                else record
                for record in records
            )
        )

    def run(self, unit: Unit) -> list[StudyRecord]:
        cache = Cache()
        records = run_coordinates(unit.coordinates, cache)
        cache.trim()  # the answers of wide networks are large
        return records

    def tables(self, records: Records) -> list[Table]:
        return tables(records)

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        return draw(records, directory)


STUDY = PlantNSeek()

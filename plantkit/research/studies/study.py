"""What a study is: its units of work, what each of them costs, and its claims."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from plantkit.errors import UsageError
from plantkit.research.studies.claims import Claim, Finding
from plantkit.research.studies.records import Coordinate, Coordinates, Records, StudyRecord

if TYPE_CHECKING:
    from pathlib import Path

    from plantkit.reports.tables import Table
    from plantkit.research.studies.calibration import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece of work, done in one go; several processes do several units side by side.

    study: name of the study. coordinates: no two units of a study have the same.
    """

    study: str
    coordinates: Coordinates

    @property
    def id(self) -> str:
        """The coordinates as canonical JSON; equal units have equal ids."""
        return json.dumps(dict(self.coordinates), sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of a study's grid that is wanted.

    quick: the small grid instead of the full one.
    seeds: seeds of every experiment; None for as many as the grid states.
    chosen: coordinate to the wanted values, as text; other coordinates may have any value.
    """

    quick: bool = False
    seeds: int | None = None
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture that was drawn: its file and one line that says what it shows."""

    path: Path
    caption: str


class Study(ABC):
    """An experiment of a paper; registered in `plantkit.research.studies`.

    Attributes:
        name: as on the command line.
        title: one line for people.
        reference: the paper.
        choices: the coordinates by which people can choose units, each with its help text.
        claims: what the paper and others state, each with a criterion; see `load_claims`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    choices: ClassVar[Mapping[str, str]]
    claims: ClassVar[Sequence[Claim]]

    @abstractmethod
    def units(self, *, quick: bool, seeds: int | None) -> list[Unit]:
        """Returns the grid: each unit once, in the order in which they are to be run.

        Args:
            quick: the small grid; it fits in ten minutes on two cores.
            seeds: seeds of every experiment; None for the grid's own numbers.
        """

    @abstractmethod
    def seconds(self, unit: Unit, calibration: Calibration) -> float:
        """Returns about how many CPU seconds a unit will take on this machine."""

    @abstractmethod
    def run(self, unit: Unit) -> list[StudyRecord]:
        """Returns the records of one unit; the same unit gives the same records.

        Raises:
            PlantkitError: the unit cannot be run; it is reported and does not stop the others.
        """

    def findings(self, records: Records) -> list[Finding]:
        """Returns what became of every claim."""
        return [claim.judged(records) for claim in self.claims]

    def tables(self, records: Records) -> list[Table]:
        """Returns tables for the report; none by default."""
        return []

    def draw(self, records: Records, directory: Path) -> list[Plot]:
        """Returns the pictures that it has drawn into `directory`; none by default."""
        return []

    def values(self, coordinate: str) -> list[Coordinate]:
        """Returns the values of a coordinate in the full grid and the quick one, in order."""
        grid = [*self.units(quick=False, seeds=1), *self.units(quick=True, seeds=1)]
        return list(dict.fromkeys(unit.coordinates[coordinate] for unit in grid))

    def select(self, selection: Selection) -> list[Unit]:
        """Returns the units of the grid that `selection` wants.

        Raises:
            UsageError: a coordinate that cannot be chosen, a value that is not in the grid,
                or nothing is left.
        """
        units = self.units(quick=selection.quick, seeds=selection.seeds)
        for name, wanted in selection.chosen.items():
            if name not in self.choices:
                raise UsageError(
                    f"study {self.name!r} has no choice {name!r}; expected one of "
                    f"{', '.join(self.choices)}"
                )
            known = list(map(str, self.values(name)))
            for value in wanted:
                if value not in known:
                    raise UsageError(f"--{name} is {value!r}; expected one of {', '.join(known)}")
            if wanted:
                units = [unit for unit in units if str(unit.coordinates[name]) in wanted]
        if not units:
            grid = "quick" if selection.quick else "full"
            raise UsageError(
                f"no run of the {grid} grid of {self.name!r} has all that was chosen; "
                "choose less" + (", or leave out --quick" if selection.quick else "")
            )
        return units

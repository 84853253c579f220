"""What a study is: its units of work, what each of them costs, and its claims."""

from __future__ import annotations

import heapq
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from plantkit.errors import UsageError
from plantkit.research.studies.claims import Claim, Finding
from plantkit.research.studies.records import Coordinate, Coordinates, Records, StudyRecord

if TYPE_CHECKING:
    from plantkit.reports.tables import Table
    from plantkit.research.studies.calibration import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One piece of work, done in one go; several processes do several units side by side.

    study: name of the study. coordinates: no two units of a study have the same.
    data: directory of the user's files, if it needs any. device: what trains.
    setting: what else its results depend on; results of another setting are never mixed with it.
    """

    study: str
    coordinates: Coordinates
    data: Path | None = None
    device: str = "cpu"
    setting: Mapping[str, str] = field(default_factory=dict)

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
    part: (k, n) for the k-th of n parts that cost about the same.
    data: directory of the user's files. device: what trains; both only for studies on images.
    """

    quick: bool = False
    seeds: int | None = None
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    part: tuple[int, int] | None = None
    data: Path | None = None
    device: str = "cpu"


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
        on_images: whether it takes files of images, and a device that trains.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    choices: ClassVar[Mapping[str, str]]
    claims: ClassVar[Sequence[Claim]]
    on_images: ClassVar[bool] = False

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

    def calibrated(self, units: Sequence[Unit]) -> Calibration:
        """Returns how fast this machine does such units; takes a moment."""
        from plantkit.research.studies.calibration import calibrate

        return calibrate()

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
        """Returns the units of the grid that `selection` wants, ready to be run.

        Raises: see `grid`.
        """
        return self.grid(selection)

    def grid(self, selection: Selection) -> list[Unit]:
        """Returns the units of the grid that `selection` wants, in order.

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

    def expected(self, selection: Selection, found: Records) -> list[Unit]:
        """Returns the units of which a whole run has results, where it has found these."""
        return self.grid(selection)

    def part(self, units: Sequence[Unit], number: int, count: int) -> list[Unit]:
        """Returns the part `number` of `count`, from 1, in the grid's order.

        The dearest unit left goes to the part that has the least to do, on a machine of nominal
        speed: every machine has the same parts, and each part a bit of everything.

        Raises:
            UsageError: there are fewer units than parts.
        """
        if count > len(units):
            raise UsageError(
                f"--part {number}/{count}: {len(units)} runs cannot be shared out among {count} "
                f"parts; expected at most {len(units)}"
            )
        from plantkit.research.studies.calibration import NOMINAL

        costs = [self.seconds(unit, NOMINAL) for unit in units]
        loads = [(0.0, part) for part in range(count)]
        mine = []
        for place in sorted(range(len(units)), key=lambda place: (-costs[place], place)):
            load, part = heapq.heappop(loads)
            heapq.heappush(loads, (load + costs[place], part))
            if part == number - 1:
                mine.append(place)
        return [units[place] for place in sorted(mine)]

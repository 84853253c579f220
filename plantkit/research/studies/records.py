"""The results of a study's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Coordinate = str | int | float | bool
Coordinates = Mapping[str, Coordinate]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One measurement: where in the study it was made, and what came out.

    values: name to number; None if there is none, such as an iteration that was never reached.
    """

    coordinates: Coordinates
    values: Mapping[str, float | None]


class Records(tuple[StudyRecord, ...]):
    """Records that can be narrowed down by their coordinates."""

    __slots__ = ()

    def where(self, **wanted: Coordinate | Sequence[Coordinate]) -> Records:
        """Returns the records whose coordinates are the wanted value, or one of the values."""
        allowed = {
            name: (value,) if isinstance(value, str | int | float) else tuple(value)
            for name, value in wanted.items()
        }
        return Records(
            record
            for record in self
            if all(record.coordinates.get(name) in values for name, values in allowed.items())
        )

    def values(self, name: str) -> list[float]:
        """Returns the values called `name`, those that are there."""
        found = (record.values.get(name) for record in self)
        return [value for value in found if value is not None]

    def distinct(self, coordinate: str) -> list[Coordinate]:
        """Returns the values of a coordinate, each once, in the order of the records."""
        found = (record.coordinates for record in self)
        return list(dict.fromkeys(at[coordinate] for at in found if coordinate in at))

    def by(self, coordinate: str) -> dict[Coordinate, Records]:
        """Returns the records for every value of a coordinate."""
        return {value: self.where(**{coordinate: value}) for value in self.distinct(coordinate)}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """The result of one unit.

    unit: its id. error: why the unit could not be run, or empty. cpu_seconds: of the process.
    setting: what else they depend on; see `Unit`.
    """

    unit: str
    records: tuple[StudyRecord, ...]
    cpu_seconds: float
    error: str = ""
    setting: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> UnitResult:
        records = tuple(
            StudyRecord(coordinates=dict(record["coordinates"]), values=dict(record["values"]))
            for record in value["records"]
        )
        return cls(**{**value, "records": records})

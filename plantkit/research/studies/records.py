"""What units of a study came to, in memory and in a run directory.

A run directory holds `study.json` (whose runs they are) and `records.jsonl`: a line a unit,
appended when the unit is done, so that a killed run loses only what was under way. A torn last
line is dropped when the directory is opened again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkit.errors import ResultsError, UsageError
from plantkit.version import __version__

with contextlib.suppress(ImportError):  # Windows has no such locks: nothing is locked there
    import fcntl

STUDY_FILE = "study.json"
LOCK_FILE = "lock"
RECORDS_FILE = "records.jsonl"

Coordinate = str | int | float | bool
Coordinates = Mapping[str, Coordinate]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One measurement: where in the study it was made, and what came out.

    values: name to number; None where there is none, such as an iteration never reached.
    """

    coordinates: Coordinates
    values: Mapping[str, float | None]

    def to_json(self) -> dict[str, Any]:
        return {"coordinates": dict(self.coordinates), "values": dict(self.values)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StudyRecord:
        return cls(coordinates=dict(value["coordinates"]), values=dict(value["values"]))


class Records(Sequence[StudyRecord]):
    """Records that can be narrowed down by their coordinates."""

    def __init__(self, records: Sequence[StudyRecord]) -> None:
        self._records = tuple(records)

    def __getitem__(self, index: Any) -> Any:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[StudyRecord]:
        return iter(self._records)

    def where(self, **wanted: Coordinate | Sequence[Coordinate]) -> Records:
        """Returns the records whose coordinates are, each, the value or one of the values."""
        allowed = {
            name: (value,) if isinstance(value, str | int | float) else tuple(value)
            for name, value in wanted.items()
        }
        return Records(
            [
                record
                for record in self._records
                if all(record.coordinates.get(name) in values for name, values in allowed.items())
            ]
        )

    def values(self, name: str) -> list[float]:
        """Returns the values called `name`, those that are there."""
        found = (record.values.get(name) for record in self._records)
        return [value for value in found if value is not None]

    def distinct(self, coordinate: str) -> list[Coordinate]:
        """Returns the values of a coordinate, each once, in the order of the records."""
        return list(
            dict.fromkeys(
                record.coordinates[coordinate]
                for record in self._records
                if coordinate in record.coordinates
            )
        )

    def by(self, coordinate: str) -> dict[Coordinate, Records]:
        """Returns the records for every value of a coordinate."""
        return {value: self.where(**{coordinate: value}) for value in self.distinct(coordinate)}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """What one unit came to.

    unit: its id. error: empty, or why it could not be run. cpu_seconds: of the process.
    """

    unit: str
    records: tuple[StudyRecord, ...]
    cpu_seconds: float
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "records": [record.to_json() for record in self.records],
            "cpu_seconds": self.cpu_seconds,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> UnitResult:
        return cls(
            unit=value["unit"],
            records=tuple(StudyRecord.from_json(record) for record in value["records"]),
            cpu_seconds=value["cpu_seconds"],
            error=value["error"],
        )


class StudyDirectory:
    """Results on disk, each saved as it is made.

    Runs of any part of one study may be added to one directory, one after another.

    Attributes:
        results: those of earlier runs, by unit; failed ones are left out, to be tried again.

    Raises:
        UsageError: the directory holds results while `resume` is False, or of another study, or
            another process is at work on it.
        ResultsError: its files cannot be read.
    """

    def __init__(self, path: Path, study: str, *, resume: bool) -> None:
        self.path = path
        self.results: dict[str, UnitResult] = {}
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path / LOCK_FILE)
        try:
            self._open(study, resume=resume)
        except BaseException:
            self.close()
            raise

    def _open(self, study: str, *, resume: bool) -> None:
        path = self.path
        identity = {"study": study, "plantkit_version": __version__}
        study_file = path / STUDY_FILE
        if study_file.exists():
            if not resume:
                raise UsageError(
                    f"{path} holds a study already; add --resume to go on with it, "
                    "or give another --run-dir"
                )
            found = _read_json(study_file)
            if found != identity:
                raise UsageError(
                    f"{path} holds {found}; expected {identity}: give another --run-dir"
                )
            self._load()
        else:
            temporary = study_file.with_suffix(".tmp")
            temporary.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
            temporary.replace(study_file)

    def close(self) -> None:
        """Lets other processes use the directory."""
        os.close(self._lock)

    def append(self, result: UnitResult) -> None:
        """Saves `result`; it is on disk when this returns."""
        with (self.path / RECORDS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(result.to_json()) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _load(self) -> None:
        """Reads the results, and writes back those that count, so that a torn line is gone."""
        file = self.path / RECORDS_FILE
        if not file.exists():
            return
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            try:
                result = UnitResult.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines) and not line.endswith("\n"):
                    break  # torn: the run was killed while it wrote
                raise ResultsError(
                    f"{file}, line {number}: cannot be read ({error}); remove the line to have "
                    "its unit run again"
                ) from error
            if not result.error:
                self.results[result.unit] = result
        temporary = file.with_suffix(".tmp")
        temporary.write_text(
            "".join(json.dumps(result.to_json()) + "\n" for result in self.results.values()),
            encoding="utf-8",
        )
        temporary.replace(file)


def _locked(path: Path) -> int:
    """Returns the descriptor of a file that this process alone has locked, until it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # A lock that processes forked from this one do not share: they may outlive it a little.
        if "fcntl" in globals():
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            return descriptor  # a file system without locks
        os.close(descriptor)
        raise UsageError(
            f"{path.parent} is in use by another run; wait for it, or give another --run-dir"
        ) from error
    return descriptor


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from error

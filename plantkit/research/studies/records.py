"""The results of a study's units, in memory and in a run directory.

A run directory holds `study.json`, which names the study, and `records.jsonl`, one line per
unit. A line is appended when its unit is done, so a killed run loses only the units it was at
work on. A torn last line is dropped when the directory is opened again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
    """

    unit: str
    records: tuple[StudyRecord, ...]
    cpu_seconds: float
    error: str = ""

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> UnitResult:
        value = json.loads(line)
        records = tuple(
            StudyRecord(coordinates=dict(record["coordinates"]), values=dict(record["values"]))
            for record in value["records"]
        )
        return cls(**{**value, "records": records})


class StudyDirectory:
    """Results on disk, each saved as it is made.

    You can run different parts of one study with one directory, one after another.

    Attributes:
        results: of earlier runs, by unit; failed units are left out, to be tried again.

    Raises:
        UsageError: the directory holds results and `resume` is False, or holds another study, or
            another process is using it.
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
            try:
                found = json.loads(study_file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ResultsError(f"{study_file}: cannot be read: {error}") from error
            if found != identity:
                raise UsageError(
                    f"{path} holds {found}; expected {identity}: give another --run-dir"
                )
            self._load()
        else:
            _replace(study_file, json.dumps(identity, indent=2) + "\n")

    def close(self) -> None:
        """Lets other processes use the directory."""
        os.close(self._lock)

    def append(self, result: UnitResult) -> None:
        """Saves `result`; it is on disk when this returns."""
        with (self.path / RECORDS_FILE).open("a", encoding="utf-8") as file:
            file.write(result.to_line())
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
                result = UnitResult.from_line(line)
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines) and not line.endswith("\n"):
                    break  # torn: the run was killed while it wrote
                raise ResultsError(
                    f"{file}, line {number}: cannot be read ({error}); remove the line to have "
                    "its unit run again"
                ) from error
            if not result.error:
                self.results[result.unit] = result
        _replace(file, "".join(result.to_line() for result in self.results.values()))


def _replace(file: Path, text: str) -> None:
    """Writes `text` to `file` so that other processes see the old text or all of the new one."""
    temporary = file.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)


def _locked(path: Path) -> int:
    """Returns the descriptor of a file that only this process has locked, until it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # Processes forked from this one may outlive it a little; they do not share this lock.
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

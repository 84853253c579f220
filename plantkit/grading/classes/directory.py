"""The directory of a class: gradings as they are made, and what staff and students read."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.files import Journal, write_whole
from plantkit.grading.classes.graded import GradedHandIn, Grading
from plantkit.grading.classes.secrets import FILE, class_secret
from plantkit.grading.feedback import FORMATS as FEEDBACK
from plantkit.grading.feedback import find_feedback, render_feedback
from plantkit.reports.spreadsheets import csv_text

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask
    from plantkit.scoring.records import Record

_IDENTITY = {"format": 1}
_HISTORY = "history.csv"
_HEADER = ("time", "id", "name", "status", "points", "of", "passed", "why", "files")
_DIGITS = 12


class ClassDirectory(Journal[Grading]):
    """What is known of a class, on disk; a context manager.

    `records.jsonl` has a line for every grading that was ever made, `history.csv` the same to be
    read. `runs/<id>.json` has the records of a hand-in's runs, and `runs/<id>.safetensors` the
    masks on challenges that students do not know. `references/` has such masks of reference
    pruners. `feedback/` is for students.

    Attributes:
        secret: of the class. is_new_secret: whether it was made just now.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            _IDENTITY,
            kind="class",
            parse=Grading.from_json,
            resume=True,
            option="-o",
        )
        try:
            self.secret, self.is_new_secret = class_secret(path)
            for name in ("runs", "references", "feedback", "gradebooks"):
                (path / name).mkdir(exist_ok=True)
        except BaseException:
            self.close()
            raise

    @property
    def secret_file(self) -> Path:
        """Where the secret is."""
        return self.path / FILE

    @property
    def hand_ins(self) -> Path:
        """Where zips are unpacked."""
        return self.path / "hand-ins"

    def last(self) -> dict[str, Grading]:
        """Returns the last grading of each hand-in, by id."""
        return {grading.id: grading for grading in self.records}

    def add(self, grading: Grading) -> None:
        """Keeps a grading; it is on disk when this returns."""
        self.append([grading])

    def write_history(self) -> None:
        """Writes who got what when, the first grading first."""
        rows = []
        for one in self.records:
            grade = one.grade or {}
            row = [
                *(one.graded, one.id, one.name, one.status),
                *(str(grade.get(key, "")) for key in ("points", "max_points", "passed")),
                *(one.why, one.digest[:_DIGITS]),
            ]
            rows.append(row)
        write_whole(self.path / _HISTORY, csv_text(_HEADER, rows))

    def write_feedback(self, graded: Sequence[GradedHandIn]) -> None:
        """Writes what students read, in every form; removes it of whoever has no grade now."""
        there = {one.handin.id for one in graded if one.grade is not None}
        for name in FEEDBACK:
            for gone in self.last().keys() - there:
                self._feedback(gone, name).unlink(missing_ok=True)
            for one in graded:
                if one.grade is not None:
                    text = render_feedback(name, one.handin, one.grade)
                    write_whole(self._feedback(one.handin.id, name), text)

    def write_runs(self, one: str, records: Sequence[Record], masks: Mapping[str, Mask]) -> None:
        """Keeps the records of a hand-in's runs, and masks by the keys of runs."""
        from plantkit.grading.classes.masks import packed

        value = [record.to_json() | {"traceback": "", "note": ""} for record in records]
        write_whole(self._runs(one, ".json"), json.dumps(value) + "\n")
        write_whole(self._runs(one, ".safetensors"), packed(masks))

    def records_of(self, one: str) -> list[dict[str, Any]]:
        """Returns the JSON of the records of a hand-in's runs; none where it was not graded."""
        path = self._runs(one, ".json")
        if not path.exists():
            return []
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def masks_of(self, one: str) -> dict[Hashable, Mask]:
        """Returns the masks of a hand-in on challenges that students do not know, by run."""
        from plantkit.grading.classes.masks import unpacked

        path = self._runs(one, ".safetensors")
        found: dict[Hashable, Mask] = {}
        if path.exists():
            found.update(unpacked(path.read_bytes()))
        return found

    def write_reference(self, where: str, name: str, masks: Mapping[str, Mask]) -> None:
        """Keeps the masks of a reference pruner; `where` stands for the challenges."""
        from plantkit.grading.classes.masks import packed

        path = self._reference(where, name)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, packed(masks))

    def has_reference(self, where: str, name: str) -> bool:
        return self._reference(where, name).exists()

    def reference_masks(self) -> dict[str, dict[Hashable, Mask]]:
        """Returns the masks of reference pruners, by name and run."""
        from plantkit.grading.classes.masks import unpacked

        found: dict[str, dict[Hashable, Mask]] = {}
        for path in sorted((self.path / "references").glob("*/*.safetensors")):
            found.setdefault(path.stem, {}).update(unpacked(path.read_bytes()))
        return found

    def _feedback(self, one: str, name: str) -> Path:
        return self.path / "feedback" / f"{one}{find_feedback(name).SUFFIX}"

    def _reference(self, where: str, name: str) -> Path:
        return self.path / "references" / where / f"{name}.safetensors"

    def _runs(self, one: str, suffix: str) -> Path:
        return self.path / "runs" / f"{one}{suffix}"

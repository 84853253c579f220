"""A run directory, which keeps what an evaluation made.

It holds `run.json` (what was evaluated, and under which settings), `records.jsonl`
(one record per line, appended when it is made) and `masks/`. A killed process may
leave half a line at the end; it is ignored when the file is read again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from plantkit.errors import ResultsError, UsageError
from plantkit.networks.masks import Mask
from plantkit.scoring.records import Record

RUN_FILE = "run.json"
RECORDS_FILE = "records.jsonl"
MASKS_DIRECTORY = "masks"
OUTPUT_DIRECTORY = "output"


class RunDirectory:
    """Records on disk, each saved when it is made.

    identity: what must be the same for old records to count: the pruners with their digests,
        the protocol and the versions.

    Raises:
        UsageError: the directory holds another run, or records while `resume` is False.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self.records: list[Record] = []
        run_file = path / RUN_FILE
        if run_file.exists():
            if not resume:
                raise UsageError(
                    f"{path} holds a run already; add --resume to go on with it, "
                    "or give another --run-dir"
                )
            self._check_identity(run_file, identity)
            self.records = read_records(path)
            self._rewrite()
        else:
            path.mkdir(parents=True, exist_ok=True)
            temporary = run_file.with_suffix(".tmp")
            temporary.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
            temporary.replace(run_file)

    def append(self, records: Iterable[Record]) -> None:
        """Saves `records`; they are on disk when this returns."""
        with (self.path / RECORDS_FILE).open("a", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record.to_json()) + "\n")
                self.records.append(record)
            file.flush()
            os.fsync(file.fileno())

    def save_mask(self, mask: Mask) -> None:
        """Saves a mask under its digest, `masks/<sha256>.safetensors`."""
        save_mask(self.path / MASKS_DIRECTORY, mask)

    def save_output(self, record: Record, output: str) -> None:
        """Saves what a run printed, if anything, as `output/<challenge>-<pruner>-...txt`."""
        if not output:
            return
        name = f"{record.challenge}-{record.pruner}-{record.target_density:.4g}-{record.seed}"
        directory = self.path / OUTPUT_DIRECTORY
        directory.mkdir(exist_ok=True)
        target = directory / f"{re.sub(r'[^A-Za-z0-9._=-]', '_', name)}.txt"
        target.write_text(output, encoding="utf-8", errors="replace")

    def _check_identity(self, run_file: Path, identity: Mapping[str, Any]) -> None:
        try:
            found = json.loads(run_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ResultsError(f"{run_file} is not valid JSON: {error}") from error
        wanted = json.loads(json.dumps(identity))
        for key in wanted:
            if found.get(key) != wanted[key]:
                raise UsageError(
                    f"{self.path} holds a run with another {key}: {found.get(key)!r}; "
                    f"now it is {wanted[key]!r}: give another --run-dir"
                )

    def _rewrite(self) -> None:
        """Writes the records back without half a line at the end, so that appending is safe."""
        target = self.path / RECORDS_FILE
        temporary = target.with_suffix(".tmp")
        lines = [json.dumps(record.to_json()) + "\n" for record in self.records]
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(target)


def save_mask(directory: Path, mask: Mask) -> Path:
    """Saves a mask under its digest, `<directory>/<sha256>.safetensors`, and returns that."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{mask.digest()}.safetensors"
    if not target.exists():
        temporary = target.with_suffix(".tmp")
        save_file(dict(mask), temporary)
        temporary.replace(target)
    return target


def read_records(path: Path) -> list[Record]:
    """Returns the records in a run directory; half a line at the end is left out.

    Raises:
        ResultsError: a line that is not the last cannot be read.
    """
    file = path / RECORDS_FILE
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").split("\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            records.append(Record.from_json(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise ResultsError(f"{file}, line {number}: not a record: {error}") from error
    return records

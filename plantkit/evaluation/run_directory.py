"""A run directory, which keeps what an evaluation made: records, masks and printed output.

Its `run.json` says what was evaluated and under which settings; see `plantkit.files.Journal`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.errors import MaskError, ResultsError, UsageError
from plantkit.files import Journal, read_records, write_whole
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.records import Record

if TYPE_CHECKING:
    from plantkit.networks.masks import Mask

_EVALUATION_FILE = "evaluation.json"
_TEXT_FILE = "results.txt"
_MASKS = "masks"
#: Most characters of the name of a file with output, before its suffix.
_MOST_NAME = 120


class RunDirectory(Journal[Record]):
    """Records on disk, with the masks and the output of their runs.

    identity: the pruners with their digests, the protocol, the versions and so on.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
        super().__init__(path, identity, kind="run", parse=Record.from_json, resume=resume)

    def save_mask(self, mask: Mask) -> None:
        """Saves a mask under its digest, `masks/<sha256>.safetensors`."""
        save_mask(self.path / _MASKS, mask)

    @property
    def masks(self) -> Mapping[str, Mask]:
        """The masks in the directory by their digests, each read when it is asked for."""
        return _SavedMasks(self.path / _MASKS)

    def save_evaluation(self, evaluation: Evaluation) -> None:
        """Saves all of an evaluation but its records, which `read_run` finds as they are made."""
        value = replace(evaluation, records=[], standings=[]).to_json()
        write_whole(self.path / _EVALUATION_FILE, json.dumps(value, indent=2) + "\n")

    def save_text(self, text: str) -> None:
        """Saves the results for people, `results.txt`."""
        write_whole(self.path / _TEXT_FILE, text)

    def save_output(self, record: Record, output: str) -> None:
        """Saves what a run printed, if anything, as `output/<challenge>-<pruner>-...txt`."""
        if not output:
            return
        name = f"{record.challenge}-{record.pruner}-{record.target_density:.4g}-{record.seed}"
        directory = self.path / "output"
        directory.mkdir(exist_ok=True)
        target = directory / f"{_file_name(name)}.txt"
        write_whole(target, output.encode(errors="replace"))


def _file_name(text: str) -> str:
    """Returns `text` as a file's name, or the like with a digest where a system might not take it
    or might take it for another's: for its length, a character, or its case."""
    plain = re.sub(r"[^a-z0-9._=-]", "_", text.lower())[:_MOST_NAME]
    return plain if plain == text else f"{plain}-{sha256(text.encode()).hexdigest()[:8]}"


class _SavedMasks(Mapping[str, "Mask"]):
    """The masks that `save_mask` wrote into a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __getitem__(self, digest: str) -> Mask:
        from safetensors import SafetensorError
        from safetensors.torch import load

        from plantkit.networks.masks import Mask

        file = self._directory / f"{digest}.safetensors"
        if not file.is_file():
            raise KeyError(digest)
        try:
            mask = Mask(load(file.read_bytes()))
        except (SafetensorError, MaskError, OSError) as error:
            raise ResultsError(f"{file} cannot be read: {error}") from error
        if mask.digest() != digest:
            raise ResultsError(f"{file} was changed: its digest is {mask.digest()}")
        return mask

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in sorted(self._directory.glob("*.safetensors")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_run(path: Path) -> Evaluation:
    """Returns a finished evaluation: that of a run directory, or of a file of `--format json`.

    Its challenges are known by their manifests alone, and it is ranked anew. Only that of a run
    directory has its masks.

    Raises:
        ResultsError: it holds none, is of another version, or not all runs were made.
    """
    file = path / _EVALUATION_FILE if path.is_dir() else path
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "a run directory of plantkit evaluate --run-dir, or a file of --format json"
        raise ResultsError(f"{file} does not exist; expected {what}") from None
    except OSError as error:
        raise ResultsError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(
            f"{file} is not JSON ({error}); expected a run directory, or a file of --format json"
        ) from error
    if not isinstance(value, dict):
        raise ResultsError(f"{file} holds a {type(value).__name__}; expected an object")
    try:
        if not path.is_dir():
            return Evaluation.from_json(value)
        records = read_records(path, Record.from_json)
        return Evaluation.from_json(value, records=records, masks=_SavedMasks(path / _MASKS))
    except ResultsError as error:
        raise ResultsError(f"{path}: {error}") from error


def read_runs(paths: Sequence[Path]) -> dict[str, Evaluation]:
    """Returns finished evaluations by their paths, for `scoring.merging.merge`.

    Raises:
        UsageError: one is given twice.
        ResultsError: see `read_run`.
    """
    given: dict[Path, Path] = {}
    for path in paths:
        place = path.resolve()
        if place in given:
            raise UsageError(f"{path} is given twice (as {given[place]}); give it once")
        given[place] = path
    return {str(path): read_run(path) for path in paths}


def save_mask(directory: Path, mask: Mask) -> None:
    """Saves a mask under its digest, `<directory>/<sha256>.safetensors`."""
    from safetensors.torch import save

    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{mask.digest()}.safetensors"
    if not target.exists():
        write_whole(target, save(dict(mask)))

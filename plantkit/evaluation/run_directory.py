"""A run directory, which keeps what an evaluation made: records, masks and printed output.

Its `run.json` says what was evaluated and under which settings; see `plantkit.files.Journal`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from plantkit.files import Journal, write_whole
from plantkit.networks.masks import Mask
from plantkit.scoring.records import Record

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
        save_mask(self.path / "masks", mask)

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


def save_mask(directory: Path, mask: Mask) -> None:
    """Saves a mask under its digest, `<directory>/<sha256>.safetensors`."""
    from safetensors.torch import save

    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{mask.digest()}.safetensors"
    if not target.exists():
        write_whole(target, save(dict(mask)))

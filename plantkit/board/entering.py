"""From a finished evaluation to what a board keeps of one of its pruners."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from typing import Any

from plantkit.board.contest import Phase
from plantkit.errors import MaskError, ResultsError, UnknownNameError, UsageError
from plantkit.isolation.levels import Level
from plantkit.networks.masks import Mask
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.merging import contradictions, limits
from plantkit.scoring.records import Record

_MOST_SHOWN = 5
#: No mask is larger; a board that somebody made to harm could hold one that fills the memory.
_MOST_MASK_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pruner of an evaluation on its way to the board.

    identity, sha256, masks_sha256, results: as in `schema.sql`. masks: compressed files by digest.
    """

    phase: Phase
    label: str
    sha256: str | None
    identity: str
    masks_sha256: str
    results: Mapping[str, Any]
    masks: Mapping[str, bytes]


def candidate_of(
    run: Evaluation, phases: Mapping[Phase, Evaluation], *, pruner: str | None = None
) -> Candidate:
    """Returns what a board with `phases` keeps of a run.

    Args:
        pruner: the label of the one that was handed in; None where the run has one submission.

    Raises:
        ResultsError: it was run on other challenges, under another protocol or without isolation,
            or its masks are not there.
        UsageError: it is not clear which pruner is meant.
    """
    phase = _phase_of(run, phases)
    entry = _entry_of(run, pruner)
    if run.settings.isolation == Level.NONE:
        raise ResultsError(
            "the pruners ran without isolation, in the process that holds the tickets; a board "
            "takes runs with --isolation watched, process or full"
        )
    source = entry.source
    path = None if source.path is None else PureWindowsPath(source.path).name
    alone = replace(
        run,
        entries=[replace(entry, source=replace(source, path=path))],
        records=[replace(one, traceback="") for one in run.records if one.pruner == entry.label],
        standings=[],
    )
    masks = _masks_of(alone)
    results = alone.to_json()
    del results["challenges"]
    origin = entry.sha256 or [entry.plugin, entry.version, source.name or entry.label]
    return Candidate(
        phase=phase,
        label=entry.label,
        sha256=entry.sha256,
        identity=_digest([origin, sorted(source.options.items()), entry.rewind]),
        masks_sha256=digest_of_masks(alone.records),
        results=results,
        masks=masks,
    )


def differences(run: Evaluation, phase: Evaluation) -> list[str]:
    """Returns what keeps a run from being compared with those of a phase, a line each."""
    wanted = {one.id for one in phase.challenges}
    given = {one.id for one in run.challenges}
    return [
        *(f"{name} was not run" for name in sorted(wanted - given)),
        *(f"{name} is not part of it" for name in sorted(given - wanted)),
        *contradictions({"the run": run, "the board": phase}),
        *limits({"the run": run, "the board": phase}).values(),
    ]


def read_mask(content: bytes, digest: str) -> Mask:
    """Returns a mask that a board keeps.

    Raises:
        ResultsError: it cannot be read, or is not the one of this digest.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        mask = Mask(load(zlib.decompressobj().decompress(content, _MOST_MASK_BYTES)))
    except (zlib.error, SafetensorError, MaskError, ValueError) as error:
        raise ResultsError(f"the mask {digest} cannot be read: {error}") from error
    if mask.digest() != digest:
        raise ResultsError(f"the mask {digest} was changed: its digest is {mask.digest()}")
    return mask


def digest_of_masks(records: Sequence[Record]) -> str:
    """Returns what runs with the same masks have alike, "" without masks."""
    kept = [(one.bundle_sha256, one.target_density, one.seed, one.mask_sha256) for one in records]
    return _digest(sorted(kept)) if any(one.mask_sha256 for one in records) else ""


def _phase_of(run: Evaluation, phases: Mapping[Phase, Evaluation]) -> Phase:
    found = {phase: differences(run, wanted) for phase, wanted in phases.items()}
    for phase, lines in found.items():
        if not lines:
            return phase
    phase = min(found, key=lambda name: len(found[name]))
    lines = found[phase]
    more = f"; and {len(lines) - _MOST_SHOWN} more" if len(lines) > _MOST_SHOWN else ""
    raise ResultsError(
        f"the run cannot be compared with the {phase} phase of this board: "
        f"{'; '.join(lines[:_MOST_SHOWN])}{more}"
    )


def _entry_of(run: Evaluation, pruner: str | None) -> Entry:
    by_label = {entry.label: entry for entry in run.entries}
    if pruner is not None:
        if pruner not in by_label:
            raise UnknownNameError("pruner of this run", pruner, by_label)
        return by_label[pruner]
    handed_in = [entry for entry in run.entries if entry.source.path is not None]
    if len(handed_in) != 1:
        labels = sorted(one.label for one in handed_in) or sorted(by_label)
        raise UsageError(
            f"the run has {len(handed_in)} submissions; say which pruner it is with --pruner: "
            f"{', '.join(map(repr, labels))}"
        )
    return handed_in[0]


def _masks_of(run: Evaluation) -> dict[str, bytes]:
    """Returns the masks of the valid runs by digest, compressed."""
    from safetensors.torch import save

    wanted = {one.mask_sha256 for one in run.records if one.mask_sha256 is not None}
    found, missing = {}, []
    for digest in sorted(wanted):
        mask = run.masks.get(digest)
        if mask is None:
            missing.append(digest)
        else:
            found[digest] = zlib.compress(save(dict(mask)))
    if missing:
        raise ResultsError(
            f"{len(missing)} of {len(wanted)} masks are missing, the first "
            f"{missing[0]}.safetensors in masks/; without them nobody could verify the entry: "
            "evaluate again with --run-dir"
        )
    return found


def _digest(value: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()

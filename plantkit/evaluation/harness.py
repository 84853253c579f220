"""One evaluation: runs the grid, scores it, records it and ranks it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from plantkit.challenges.bundles import Challenge, PublicChallenge
from plantkit.evaluation.cache import module_digest
from plantkit.evaluation.grid import Cell, cells_of
from plantkit.evaluation.measuring import score_all
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.repeats import repeat
from plantkit.evaluation.requests import WHOLE, Progress
from plantkit.evaluation.resources import Resources
from plantkit.evaluation.run_directory import RunDirectory
from plantkit.machine import environment
from plantkit.networks.masks import Mask
from plantkit.scoring.attempts import Attempt
from plantkit.scoring.entries import Entry
from plantkit.scoring.evaluation import Evaluation, in_grid_order
from plantkit.scoring.metrics import Metric
from plantkit.scoring.protocol import Protocol
from plantkit.scoring.ranking import load_quantiles
from plantkit.scoring.records import RESULTS_VERSION, Record
from plantkit.scoring.score import SCORING_VERSION
from plantkit.scoring.starts import rank_by_start

#: Runs whose masks are in memory at the same time; a mask may take half a MB. All runs of one
#: challenge stay together even where they are more.
_MOST_CELLS = 256


def evaluate(
    entries: Sequence[Entry],
    challenges: Sequence[Challenge],
    protocol: Protocol,
    resources: Resources,
    *,
    suite: str | None = None,
    run_directory: RunDirectory | None = None,
    metrics: Sequence[Metric] = (),
    progress: Progress = lambda *_: None,
    keeps_masks: bool = False,
) -> Evaluation:
    """Runs every entry on every challenge, density and seed, and ranks the entries.

    A run that fails becomes a record with a status; nothing that a pruner does stops the
    others. Records that `run_directory` already holds are not made again.

    Args:
        keeps_masks: whether masks are kept in memory; those of a run directory are kept there.
    """
    evaluation = Evaluation(
        entries=entries,
        challenges=challenges,
        suite=suite,
        protocol=protocol,
        records=[],
        standings=[],
        settings=resources.settings,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    masks: dict[str, Mask] = {}
    if run_directory is not None:
        run_directory.save_evaluation(evaluation)
    records: list[Record] = list(run_directory.records) if run_directory else []
    done = {record.key for record in records}
    prunings: dict[str, Pruning] = {}
    repeated = {record.pruner for record in records}
    windows = list(_windows(entries, challenges, protocol, done, saved=run_directory is not None))
    whole = _Whole(progress, sum(len(part.cells) for window in windows for part in window))
    for window in windows:
        batches = []
        for part in window:
            digest = part.challenge.digest
            if digest not in prunings:
                prunings[digest] = Pruning.of(part.challenge, resources)
            pruning = prunings[digest]
            attempts = pruning.attempts(
                part.cells, label=part.challenge.id, progress=whole.phase(len(part.cells))
            )
            attempts, again = repeat(
                pruning,
                part.cells,
                attempts,
                done=repeated,
                label=part.challenge.id,
                progress=progress,
            )
            repeated |= again
            batches.append((part.challenge, attempts))
        label = window[0].label if len(window) == 1 else f"{len(window)} challenges"
        size = sum(len(part.cells) for part in window)
        scored = score_all(
            batches,
            device=resources.settings.device,
            executor=resources.executor,
            cache=resources.cache,
            metrics=metrics,
            progress=partial(whole.phase(size), f"{label}: training"),
            meanwhile=load_quantiles,
        )
        for (_, attempts), new in zip(batches, scored, strict=True):
            if run_directory is not None:
                for attempt, record in zip(attempts, new, strict=True):
                    run_directory.save_output(record, attempt.output)
                    if attempt.mask is not None:
                        run_directory.save_mask(attempt.mask)
                run_directory.append(new)
            elif keeps_masks:
                masks |= _masks_of(attempts, new)
            records.extend(new)
    records = in_grid_order(records, entries, challenges)
    return replace(
        evaluation,
        records=records,
        standings=rank_by_start(challenges, records, protocol),
        masks=masks if run_directory is None else run_directory.masks,
    )


def prune(
    entries: Sequence[Entry],
    challenge: PublicChallenge,
    protocol: Protocol,
    resources: Resources,
    *,
    progress: Progress = lambda *_: None,
) -> list[Attempt]:
    """Returns what came of the entries on one challenge, unscored: that takes no truth."""
    cells = cells_of(entries, challenge, protocol)
    pruning = Pruning.of(challenge, resources)
    return pruning.attempts(cells, label=challenge.id, progress=progress)


def run_identity(
    entries: Sequence[Entry],
    challenges: Sequence[Challenge],
    protocol: Protocol,
    resources: Resources,
    metrics: Sequence[Metric] = (),
) -> dict[str, Any]:
    """Returns all that can change a record; to resume a run, it must be the same again."""
    return {
        "results_version": RESULTS_VERSION,
        "scoring_version": SCORING_VERSION,
        "pruners": {
            entry.label: [
                entry.sha256 or module_digest(entry.module) or entry.version,
                dict(entry.source.options),
                entry.rewind,
            ]
            for entry in entries
        },
        "challenges": {challenge.id: challenge.digest for challenge in challenges},
        "densities": list(protocol.densities),
        "seeds": protocol.seeds,
        "metrics": sorted(metric.name for metric in metrics),
        "limits": asdict(resources.limits),
        "isolation": resources.settings.isolation,
        "device": resources.settings.device,
        "environment": environment(),
        "weights": [protocol.strong_weight, protocol.weak_weight, protocol.overlap_weight],
        "family_weights": dict(protocol.family_weights),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Cells of one challenge that are scored together, and their name in the progress."""

    challenge: Challenge
    cells: Sequence[Cell]
    label: str


class _Whole:
    """The progress of all phases together: every cell is pruned, then trained."""

    def __init__(self, progress: Progress, cells: int) -> None:
        self._progress = progress
        self._total = 2 * cells
        self._done = 0
        if cells:
            progress(WHOLE, 0, self._total)

    def phase(self, cells: int) -> Progress:
        """Returns the progress of a phase of so many cells; the ones before are done."""
        before, self._done = self._done, self._done + cells

        def show(label: str, done: int, total: int) -> None:
            self._progress(WHOLE, before + (cells * done // total if total else 0), self._total)
            self._progress(label, done, total)

        return show


def _windows(
    entries: Sequence[Entry],
    challenges: Sequence[Challenge],
    protocol: Protocol,
    done: Collection[tuple[str, str, float, int]],
    *,
    saved: bool,
) -> Iterator[list[_Part]]:
    """Yields the parts of the grid that are scored together, without the cells in `done`.

    Records that are saved are made pruner by pruner, so that little is lost when the run is
    killed. Otherwise as many challenges as fit in memory go together, which keeps all processes
    busy until the end. The results are the same.
    """
    window: list[_Part] = []
    for challenge in challenges:
        cells = [
            cell
            for cell in cells_of(entries, challenge, protocol)
            if (cell.entry.label, challenge.digest, cell.density, cell.seed) not in done
        ]
        if saved:
            for entry, part in itertools.groupby(cells, key=lambda cell: cell.entry.label):
                label = f"{challenge.id}, {entry}"
                yield [_Part(challenge=challenge, cells=list(part), label=label)]
            continue
        held = sum(len(part.cells) for part in window)
        if window and held + len(cells) > _MOST_CELLS:
            yield window
            window = []
        if cells:
            window.append(_Part(challenge=challenge, cells=cells, label=challenge.id))
    if window:
        yield window


def _masks_of(attempts: Sequence[Attempt], records: Sequence[Record]) -> dict[str, Mask]:
    """Returns the masks of attempts by digest, without what they were chosen by."""
    return {
        record.mask_sha256: Mask(attempt.mask)
        for attempt, record in zip(attempts, records, strict=True)
        if attempt.mask is not None and record.mask_sha256 is not None
    }

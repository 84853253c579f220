"""One evaluation: runs the grid, scores it, records it and ranks it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from plantkit.challenges.bundles import Challenge, PublicChallenge
from plantkit.evaluation.attempts import Part, make_attempts
from plantkit.evaluation.cache import module_digest
from plantkit.evaluation.grid import Cell, cells_of
from plantkit.evaluation.measuring import score_all
from plantkit.evaluation.pruning import Pruning
from plantkit.evaluation.repeats import repeat
from plantkit.evaluation.requests import WHOLE, Progress
from plantkit.evaluation.resources import Resources
from plantkit.evaluation.run_directory import RunDirectory
from plantkit.evaluation.slots import Slots
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

#: Most runs whose masks are in memory at the same time; a mask may take half a MB.
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
    repeated = {record.pruner for record in records}
    windows = list(_windows(entries, challenges, protocol, done, saved=run_directory is not None))
    whole = _Whole(progress, sum(window.size for window in windows))
    chosen = {one.digest: one for window in windows for one, _ in window.parts}
    prunings = {digest: Pruning.of(one, resources) for digest, one in chosen.items()}
    with Slots(resources.backends) as slots:
        for window in windows:
            parts = [
                Part(pruning=prunings[challenge.digest], cells=cells)
                for challenge, cells in window.parts
            ]
            attempts = make_attempts(
                parts, slots, label=window.place, progress=whole.phase(window.size)
            )
            attempts, again = repeat(
                parts, attempts, slots, done=repeated, label=window.place, progress=progress
            )
            repeated |= again
            scored = score_all(
                [
                    (challenge, tried)
                    for (challenge, _), tried in zip(window.parts, attempts, strict=True)
                ],
                device=resources.settings.device,
                executor=resources.executor,
                cache=resources.cache,
                metrics=metrics,
                progress=partial(whole.phase(window.size), f"{window.label}: training"),
                meanwhile=load_quantiles,
            )
            for tried, new in zip(attempts, scored, strict=True):
                if run_directory is not None:
                    for attempt, record in zip(tried, new, strict=True):
                        run_directory.save_output(record, attempt.output)
                        if attempt.mask is not None:
                            run_directory.save_mask(attempt.mask)
                    run_directory.append(new)
                elif keeps_masks:
                    masks |= _masks_of(tried, new)
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
    part = Part(pruning=Pruning.of(challenge, resources), cells=cells)
    with Slots(resources.backends) as slots:
        [attempts] = make_attempts([part], slots, label=challenge.id, progress=progress)
    return attempts


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
class _Window:
    """Cells of challenges that are scored together. pruner: whose they are, "" if of several."""

    parts: Sequence[tuple[Challenge, Sequence[Cell]]]
    pruner: str = ""

    @property
    def place(self) -> str:
        """Where they are run, in the progress."""
        return self.parts[0][0].id if len(self.parts) == 1 else f"{len(self.parts)} challenges"

    @property
    def label(self) -> str:
        """What is trained, in the progress."""
        return f"{self.place}, {self.pruner}" if self.pruner else self.place

    @property
    def size(self) -> int:
        return sum(len(cells) for _, cells in self.parts)


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
) -> Iterator[_Window]:
    """Yields the parts of the grid that are scored together, without the cells in `done`.

    Records that are saved are made pruner by pruner, so that little is lost when the run is
    killed. Otherwise as many as fit in memory go together, of all challenges, which keeps all
    processes busy until the end. The results are the same.
    """
    parts: dict[str, tuple[Challenge, list[Cell]]] = {}
    for challenge in challenges:
        cells = [
            cell
            for cell in cells_of(entries, challenge, protocol)
            if (cell.entry.label, challenge.digest, cell.density, cell.seed) not in done
        ]
        if saved:
            for entry, group in itertools.groupby(cells, key=lambda cell: cell.entry.label):
                yield _Window(parts=[(challenge, list(group))], pruner=entry)
            continue
        for together in _groups(cells):
            if parts and sum(len(held) for _, held in parts.values()) + len(together) > _MOST_CELLS:
                yield _Window(parts=list(parts.values()))
                parts = {}
            parts.setdefault(challenge.digest, (challenge, []))[1].extend(together)
    if parts:
        yield _Window(parts=list(parts.values()))


def _groups(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Yields cells that stay together: all seeds of a pruner that has one mask for them all."""
    by_density = itertools.groupby(cells, key=lambda cell: (cell.entry.label, cell.density))
    for _, group in by_density:
        together = list(group)
        size = _MOST_CELLS if together[0].entry.is_seeded else len(together)
        yield from (together[first : first + size] for first in range(0, len(together), size))


def _masks_of(attempts: Sequence[Attempt], records: Sequence[Record]) -> dict[str, Mask]:
    """Returns the masks of attempts by digest, without what they were chosen by."""
    return {
        record.mask_sha256: Mask(attempt.mask)
        for attempt, record in zip(attempts, records, strict=True)
        if attempt.mask is not None and record.mask_sha256 is not None
    }

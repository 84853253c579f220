"""One evaluation: run the grid, score it, record it, rank it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import plantkit
from plantkit.bundles import Challenge, PublicChallenge
from plantkit.cache import Cache, module_digest
from plantkit.catalog import Protocol
from plantkit.executors import Executor, LocalExecutor
from plantkit.grid import Cell, Entry, Progress, cells_of
from plantkit.isolation.client import PrunerServer, Scratch, write_problem
from plantkit.isolation.wire import Limits
from plantkit.machine import environment, git_hash
from plantkit.metrics import Metric
from plantkit.pruning import Pruning
from plantkit.ranking import Standing, load_quantiles, rank
from plantkit.results import RESULTS_VERSION, SCORING_VERSION, Record, RunDirectory
from plantkit.scoring import Attempt, score_all

#: Runs whose masks are held at once, those of one challenge at least: each may take half a MB.
_MOST_CELLS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an evaluation runs; none of it changes a score.

    isolation: the level that was applied, "full", "process" or "none".
    """

    jobs: int = 1
    device: str = "cpu"
    isolation: str = "process"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything an evaluation came to; `reporters` turn it into text."""

    entries: Sequence[Entry]
    challenges: Sequence[Challenge]
    suite: str | None
    protocol: Protocol
    records: Sequence[Record]
    standings: Sequence[Standing]
    settings: Settings
    started: str

    def records_of(self, pruner: str, challenge: Challenge) -> list[Record]:
        return [
            record
            for record in self.records
            if record.pruner == pruner and record.bundle_sha256 == challenge.digest
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns the object that `--format json` prints; its schema is `results`."""
        return {
            "schema_version": RESULTS_VERSION,
            "plantkit_version": plantkit.__version__,
            "scoring_version": SCORING_VERSION,
            "run": {
                "date": self.started,
                "seeds": self.protocol.seeds,
                "suite": self.suite,
                "densities": list(self.protocol.densities),
                "weights": {
                    "strong": self.protocol.strong_weight,
                    "weak": self.protocol.weak_weight,
                    "f1": self.protocol.f1_weight,
                },
                "device": self.settings.device,
                "threads": self.settings.jobs,
                "isolation": self.settings.isolation,
                "git_hash": git_hash(),
            },
            "env": environment(),
            "challenges": [
                {
                    "id": challenge.id,
                    "bundle_sha256": challenge.digest,
                    "planted_density": challenge.planted_density,
                    "overlap_scored": challenge.overlap_scored,
                    "trivial": challenge.trivial,
                    "ticket": challenge.ticket.strong,
                    "dense": challenge.dense.weak,
                }
                for challenge in self.challenges
            ],
            "pruners": [entry.to_json() for entry in self.entries],
            "records": [record.to_json() for record in self.records],
            "standings": [standing.to_json() for standing in self.standings],
        }


def evaluate(
    entries: Sequence[Entry],
    challenges: Sequence[Challenge],
    protocol: Protocol,
    *,
    settings: Settings,
    servers: Sequence[PrunerServer],
    scratch_directory: Path,
    executor: Executor | None = None,
    cache: Cache | None = None,
    suite: str | None = None,
    run_directory: RunDirectory | None = None,
    metrics: Sequence[Metric] = (),
    progress: Progress = lambda *_: None,
) -> Evaluation:
    """Runs every entry on every challenge, density and seed, and ranks the entries.

    A run that fails becomes a record with a status; nothing that a pruner does stops the
    others. Records that `run_directory` already holds are not made again.

    Args:
        servers: run the pruners, unless the executor is a remote one.
        executor: trains and evaluates; processes on this machine if None.
        cache: keeps and gives back what was computed before; nothing if None.
    """
    if executor is None:
        with LocalExecutor(settings.jobs) as local:
            return evaluate(
                entries,
                challenges,
                protocol,
                settings=settings,
                servers=servers,
                scratch_directory=scratch_directory,
                executor=local,
                cache=cache,
                suite=suite,
                run_directory=run_directory,
                metrics=metrics,
                progress=progress,
            )
    started = datetime.now(UTC).isoformat(timespec="seconds")
    records: list[Record] = list(run_directory.records) if run_directory else []
    done = {record.key for record in records}
    scratch = Scratch(scratch_directory / "cells")
    prunings: dict[str, Pruning] = {}
    for window in _windows(entries, challenges, protocol, done, saved=run_directory is not None):
        batches = []
        for part in window:
            pruning = prunings.get(part.challenge.digest) or _pruning(
                part.challenge,
                settings=settings,
                servers=servers,
                scratch_directory=scratch_directory,
                scratch=scratch,
                executor=executor,
                cache=cache,
            )
            prunings[part.challenge.digest] = pruning
            report = _labelled(progress, part.label)
            batches.append((part.challenge, replace(pruning, progress=report).attempts(part.cells)))
        label = window[0].label if len(window) == 1 else f"{len(window)} challenges"
        scored = _score(batches, label, settings, executor, cache, metrics, progress)
        for (_, attempts), new in zip(batches, scored, strict=True):
            if run_directory is not None:
                for attempt, record in zip(attempts, new, strict=True):
                    run_directory.save_output(record, attempt.output)
                    if attempt.mask is not None:
                        run_directory.save_mask(attempt.mask)
                run_directory.append(new)
            records.extend(new)
    records = _in_order(records, entries, challenges)
    return Evaluation(
        entries=entries,
        challenges=challenges,
        suite=suite,
        protocol=protocol,
        records=records,
        standings=rank(challenges, records, protocol),
        settings=settings,
        started=started,
    )


def prune(
    entries: Sequence[Entry],
    challenge: PublicChallenge,
    protocol: Protocol,
    *,
    settings: Settings,
    servers: Sequence[PrunerServer],
    scratch_directory: Path,
    progress: Progress = lambda *_: None,
) -> list[Attempt]:
    """Returns what came of the entries on one challenge, unscored: that takes no truth."""
    pruning = _pruning(
        challenge,
        settings=settings,
        servers=servers,
        scratch_directory=scratch_directory,
        scratch=Scratch(scratch_directory / "cells"),
    )
    return replace(pruning, progress=progress).attempts(cells_of(entries, challenge, protocol))


def _pruning(
    challenge: PublicChallenge,
    *,
    settings: Settings,
    servers: Sequence[PrunerServer],
    scratch_directory: Path,
    scratch: Scratch,
    executor: Executor | None = None,
    cache: Cache | None = None,
) -> Pruning:
    problem_directory = scratch_directory / f"problem-{challenge.digest[:16]}"
    write_problem(problem_directory, challenge.problem(density=1.0, seed=0))
    return Pruning(
        challenge=challenge,
        limits=settings.limits,
        isolation=settings.isolation,
        problem_directory=problem_directory,
        servers=servers,
        scratch=scratch,
        executor=executor,
        cache=cache,
    )


def run_identity(
    entries: Sequence[Entry],
    challenges: Sequence[Challenge],
    protocol: Protocol,
    settings: Settings,
    metrics: Sequence[Metric] = (),
) -> dict[str, Any]:
    """Returns what must be equal for a run to be resumed: all that can change a record."""
    return {
        "results_version": RESULTS_VERSION,
        "scoring_version": SCORING_VERSION,
        "pruners": {
            entry.label: [
                entry.sha256 or module_digest(entry.module) or entry.version,
                dict(entry.source.options),
            ]
            for entry in entries
        },
        "challenges": {challenge.id: challenge.digest for challenge in challenges},
        "densities": list(protocol.densities),
        "seeds": protocol.seeds,
        "metrics": sorted(metric.name for metric in metrics),
        "limits": asdict(settings.limits),
        "isolation": settings.isolation,
        "device": settings.device,
        "environment": environment(),
        "weights": [protocol.strong_weight, protocol.weak_weight, protocol.f1_weight],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Cells of one challenge that are run one after another, and what to call them."""

    challenge: Challenge
    cells: Sequence[Cell]
    label: str


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
    killed. Otherwise as many challenges go together as memory has room for, so that trainings
    wait for each other but once; the results are the same.
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


def _labelled(progress: Progress, label: str) -> Progress:
    """Returns `progress` with the part before the colon of what is going on replaced."""
    return lambda text, done, total: progress(f"{label}:{text.partition(':')[2]}", done, total)


def _score(
    batches: Sequence[tuple[Challenge, Sequence[Attempt]]],
    label: str,
    settings: Settings,
    executor: Executor,
    cache: Cache | None,
    metrics: Sequence[Metric],
    progress: Progress,
) -> list[list[Record]]:
    total, trained = sum(len(attempts) for _, attempts in batches), 0

    def on_done(count: int) -> None:
        nonlocal trained
        trained += count
        progress(f"{label}: training", min(trained, total), total)

    progress(f"{label}: training", 0, total)
    records = score_all(
        batches,
        device=settings.device,
        executor=executor,
        cache=cache,
        metrics=metrics,
        on_done=on_done,
        meanwhile=load_quantiles,
    )
    progress(f"{label}: training", total, total)
    return records


def _in_order(
    records: Sequence[Record], entries: Sequence[Entry], challenges: Sequence[Challenge]
) -> list[Record]:
    """Returns the records in the order of the grid, whatever order they were made in."""
    entry_order: Mapping[str, int] = {entry.label: i for i, entry in enumerate(entries)}
    challenge_order = {challenge.digest: i for i, challenge in enumerate(challenges)}
    return sorted(
        records,
        key=lambda record: (
            challenge_order[record.bundle_sha256],
            entry_order[record.pruner],
            record.target_density,
            record.seed,
        ),
    )

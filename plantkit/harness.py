"""The grid challenge x pruner x density x seed: run, score, record."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import plantkit
from plantkit.bundles import PLANTED, Challenge, PublicChallenge
from plantkit.catalog import Protocol
from plantkit.errors import UsageError
from plantkit.isolation.client import Outcome, PrunerServer, Scratch, run_pruner, write_problem
from plantkit.isolation.wire import Limits, PrunerSource
from plantkit.machine import environment, git_hash
from plantkit.masks import budget_of
from plantkit.metrics import Metric
from plantkit.ranking import Standing, rank
from plantkit.results import RESULTS_VERSION, SCORING_VERSION, Record, RunDirectory
from plantkit.scoring import Attempt, score_attempts

#: Called with what is going on, work done, and work in all: ("circle-5x100: pruning", 3, 72).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pruner that takes part.

    label: its unique name in the tables. sha256: of a submission's file, else None.
    is_submission: given by path rather than by a registered name.
    """

    label: str
    source: PrunerSource
    reference: str = ""
    sha256: str | None = None
    plugin: str = ""
    version: str = ""
    is_submission: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.label,
            "path": self.source.path,
            "sha256": self.sha256,
            "plugin": self.plugin or None,
            "version": self.version or None,
            "options": dict(self.source.options),
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an evaluation runs; none of it changes a score."""

    jobs: int = 1
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
                "device": "cpu",
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
    suite: str | None = None,
    run_directory: RunDirectory | None = None,
    metrics: Sequence[Metric] = (),
    progress: Progress = lambda *_: None,
) -> Evaluation:
    """Runs every entry on every challenge, density and seed, and ranks the entries.

    A run that fails becomes a record with a status; nothing that a pruner does stops the
    others. Records that `run_directory` already holds are not made again.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    records: list[Record] = list(run_directory.records) if run_directory else []
    done = {record.key for record in records}
    scratch = Scratch(scratch_directory / "cells")
    for challenge in challenges:
        cells = [
            cell
            for cell in _cells(entries, challenge, protocol)
            if (cell.entry.label, challenge.digest, cell.density, cell.seed) not in done
        ]
        for part, label in _parts(cells, challenge, saved=run_directory is not None):
            report = _labelled(progress, label)
            attempts = _prune(
                part, challenge, settings, servers, scratch, scratch_directory, report
            )
            new = _score(challenge, attempts, settings, metrics, report)
            if run_directory is not None:
                for attempt in attempts:
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
    cells = _cells(entries, challenge, protocol)
    scratch = Scratch(scratch_directory / "cells")
    return _prune(cells, challenge, settings, servers, scratch, scratch_directory, progress)


def resolve_densities(challenge: PublicChallenge, protocol: Protocol) -> list[tuple[float, bool]]:
    """Returns the protocol's densities for a challenge, ascending, each with whether it is
    the planted one.

    Raises:
        UsageError: a density so low that a mask could keep nothing.
    """
    planted = challenge.planted_density
    found = {planted if value == PLANTED else float(value) for value in protocol.densities}
    for density in found:
        if budget_of(density, challenge.network.total) == 0:
            raise UsageError(
                f"density {density:g} keeps none of the {challenge.network.total} parameters of "
                f"{challenge.id}; expected at least {1 / challenge.network.total:.2g}"
            )
    return [(density, density == planted) for density in sorted(found)]


def run_identity(
    entries: Sequence[Entry], challenges: Sequence[Challenge], protocol: Protocol
) -> dict[str, Any]:
    """Returns what must be equal for a run to be resumed."""
    return {
        "results_version": RESULTS_VERSION,
        "scoring_version": SCORING_VERSION,
        "pruners": {
            entry.label: [entry.sha256 or entry.version, dict(entry.source.options)]
            for entry in entries
        },
        "challenges": {challenge.id: challenge.digest for challenge in challenges},
        "densities": list(protocol.densities),
        "seeds": protocol.seeds,
        "weights": [protocol.strong_weight, protocol.weak_weight, protocol.f1_weight],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    entry: Entry
    density: float
    is_planted_density: bool
    seed: int


def _cells(entries: Sequence[Entry], challenge: PublicChallenge, protocol: Protocol) -> list[_Cell]:
    return [
        _Cell(entry=entry, density=density, is_planted_density=planted, seed=seed)
        for entry in entries
        for density, planted in resolve_densities(challenge, protocol)
        for seed in range(protocol.seeds)
    ]


def _parts(
    cells: Sequence[_Cell], challenge: Challenge, *, saved: bool
) -> Iterator[tuple[list[_Cell], str]]:
    """Yields the cells that are run and scored together, and what to call them.

    Records that are saved are made pruner by pruner, so that little is lost when the run is
    killed. Otherwise all go together, which trains a little faster; the results are the same.
    """
    if not saved:
        if cells:
            yield list(cells), challenge.id
        return
    for label, part in itertools.groupby(cells, key=lambda cell: cell.entry.label):
        yield list(part), f"{challenge.id}, {label}"


def _labelled(progress: Progress, label: str) -> Progress:
    """Returns `progress` with the part before the colon of what is going on replaced."""
    return lambda text, done, total: progress(f"{label}:{text.partition(':')[2]}", done, total)


def _score(
    challenge: Challenge,
    attempts: Sequence[Attempt],
    settings: Settings,
    metrics: Sequence[Metric],
    progress: Progress,
) -> list[Record]:
    total, trained = len(attempts), 0

    def on_done(count: int) -> None:
        nonlocal trained
        trained += count
        progress(f"{challenge.id}: training", min(trained, total), total)

    progress(f"{challenge.id}: training", 0, total)
    records = score_attempts(
        challenge, attempts, jobs=settings.jobs, metrics=metrics, on_done=on_done
    )
    progress(f"{challenge.id}: training", total, total)
    return records


def _prune(
    cells: Sequence[_Cell],
    challenge: PublicChallenge,
    settings: Settings,
    servers: Sequence[PrunerServer],
    scratch: Scratch,
    scratch_directory: Path,
    progress: Progress,
) -> list[Attempt]:
    """Returns the attempts of `cells`, in their order, run on all servers side by side."""
    problem_directory = scratch_directory / f"problem-{challenge.digest[:16]}"
    if not problem_directory.is_dir():
        write_problem(problem_directory, challenge.problem(density=1.0, seed=0))
    idle: SimpleQueue[PrunerServer] = SimpleQueue()
    for server in servers:
        idle.put(server)

    def run(cell: _Cell) -> Outcome:
        server = idle.get()
        try:
            return run_pruner(
                server,
                scratch,
                source=cell.entry.source,
                problem_directory=problem_directory,
                network=challenge.network,
                density=cell.density,
                budget=budget_of(cell.density, challenge.network.total),
                seed=cell.seed,
                limits=settings.limits,
            )
        finally:
            idle.put(server)

    attempts = []
    with ThreadPoolExecutor(len(servers)) as pool:
        for position, (cell, outcome) in enumerate(
            zip(cells, pool.map(run, cells), strict=True), start=1
        ):
            progress(f"{challenge.id}: pruning", position, len(cells))
            attempts.append(
                Attempt(
                    pruner=cell.entry.label,
                    target_density=cell.density,
                    is_planted_density=cell.is_planted_density,
                    seed=cell.seed,
                    status=outcome.status.value,
                    mask=outcome.mask,
                    error=outcome.error,
                    seconds=outcome.seconds,
                    peak_rss_mib=outcome.peak_rss_mib,
                )
            )
    return attempts


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

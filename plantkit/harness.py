"""The grid challenge x pruner x density x seed: run, score, record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import plantkit
from plantkit.bundles import PLANTED, Challenge
from plantkit.cache import Answer, Cache, answer_key
from plantkit.catalog import Protocol
from plantkit.errors import UsageError
from plantkit.executors import Executor, LocalExecutor
from plantkit.isolation.client import Outcome, PrunerServer, Scratch, run_pruner, write_problem
from plantkit.isolation.wire import Limits, PrunerSource, Status
from plantkit.machine import environment, git_hash
from plantkit.masks import budget_of
from plantkit.metrics import Metric
from plantkit.ranking import Standing, rank
from plantkit.remote import PruneJob, RemotePruning, read_directory
from plantkit.results import RESULTS_VERSION, SCORING_VERSION, Record, RunDirectory
from plantkit.scoring import Attempt, score_attempts

#: Called with what is going on, work done, and work in all: ("circle-5x100: pruning", 3, 72).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pruner that takes part.

    label: its unique name in the tables. sha256: of a submission's file, else None.
    module: of an installed plugin, where its entry point leads; its answers may be cached.
    is_submission: given by path rather than by a registered name.
    """

    label: str
    source: PrunerSource
    reference: str = ""
    sha256: str | None = None
    plugin: str = ""
    version: str = ""
    module: str = ""
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
    for challenge in challenges:
        cells = [
            cell
            for cell in _cells(entries, challenge, protocol)
            if (cell.entry.label, challenge.digest, cell.density, cell.seed) not in done
        ]
        if not cells:
            continue
        problem_directory = scratch_directory / f"problem-{challenge.digest[:16]}"
        write_problem(problem_directory, challenge.problem(density=1.0, seed=0))
        pruning = _Pruning(
            challenge=challenge,
            limits=settings.limits,
            problem_directory=problem_directory,
            servers=servers,
            scratch=scratch,
            executor=executor,
            cache=cache,
            progress=progress,
        )
        attempts = pruning.attempts(cells)
        trained = 0

        def on_done(count: int, name: str = challenge.id, total: int = len(attempts)) -> None:
            nonlocal trained
            trained += count
            progress(f"{name}: training", min(trained, total), total)

        progress(f"{challenge.id}: training", 0, len(attempts))
        new = score_attempts(
            challenge,
            attempts,
            device=settings.device,
            executor=executor,
            cache=cache,
            metrics=metrics,
            on_done=on_done,
        )
        progress(f"{challenge.id}: training", len(attempts), len(attempts))
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


def resolve_densities(challenge: Challenge, protocol: Protocol) -> list[tuple[float, bool]]:
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


def _cells(entries: Sequence[Entry], challenge: Challenge, protocol: Protocol) -> list[_Cell]:
    return [
        _Cell(entry=entry, density=density, is_planted_density=planted, seed=seed)
        for entry in entries
        for density, planted in resolve_densities(challenge, protocol)
        for seed in range(protocol.seeds)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pruning:
    """Runs the cells of one challenge, here or where the executor works."""

    challenge: Challenge
    limits: Limits
    problem_directory: Path
    servers: Sequence[PrunerServer]
    scratch: Scratch
    executor: Executor
    cache: Cache | None
    progress: Progress

    def attempts(self, cells: Sequence[_Cell]) -> list[Attempt]:
        """Returns the attempts of `cells`, in their order."""
        outcomes = [self._known(cell) for cell in cells]
        missing = [position for position, outcome in enumerate(outcomes) if outcome is None]
        done = len(cells) - len(missing)

        def on_result(_: Outcome) -> None:
            nonlocal done
            done += 1
            self.progress(f"{self.challenge.id}: pruning", done, len(cells))

        todo = [cells[position] for position in missing]
        if isinstance(self.executor, RemotePruning):
            found = self.executor.prune(self._jobs(todo), on_result=on_result)
        else:
            found = self._run_here(todo, on_result)
        for position, outcome in zip(missing, found, strict=True):
            outcomes[position] = outcome
            self._keep(cells[position], outcome)
        return [
            _attempt(cell, outcome)
            for cell, outcome in zip(cells, outcomes, strict=True)
            if outcome is not None
        ]

    def _run_here(
        self, cells: Sequence[_Cell], on_result: Callable[[Outcome], None]
    ) -> list[Outcome]:
        """Runs the cells on all servers side by side."""
        idle: SimpleQueue[PrunerServer] = SimpleQueue()
        for server in self.servers:
            idle.put(server)

        def run(cell: _Cell) -> Outcome:
            server = idle.get()
            try:
                return run_pruner(
                    server,
                    self.scratch,
                    source=cell.entry.source,
                    problem_directory=self.problem_directory,
                    network=self.challenge.network,
                    density=cell.density,
                    budget=budget_of(cell.density, self.challenge.network.total),
                    seed=cell.seed,
                    limits=self.limits,
                )
            finally:
                idle.put(server)

        outcomes = []
        with ThreadPoolExecutor(len(self.servers)) as pool:
            try:
                for outcome in pool.map(run, cells):
                    outcomes.append(outcome)
                    on_result(outcome)
            except BaseException:  # an interrupt must not wait for the runs under way
                pool.shutdown(wait=False, cancel_futures=True)
                for server in self.servers:
                    server.stop()
                raise
        return outcomes

    def _jobs(self, cells: Sequence[_Cell]) -> list[PruneJob]:
        """Returns the cells as what another machine needs to run them."""
        problem = read_directory(self.problem_directory)
        return [
            PruneJob(
                source=cell.entry.source,
                code=None
                if cell.entry.source.path is None
                else Path(cell.entry.source.path).read_bytes(),
                problem=problem,
                network=self.challenge.network,
                density=cell.density,
                budget=budget_of(cell.density, self.challenge.network.total),
                seed=cell.seed,
                limits=self.limits,
            )
            for cell in cells
        ]

    def _known(self, cell: _Cell) -> Outcome | None:
        """Returns the outcome that the cache has of an installed pruner, or None."""
        key = self._key(cell)
        if key is None or self.cache is None:
            return None
        network = self.challenge.network
        answer = self.cache.answer(key, network, budget_of(cell.density, network.total))
        if answer is None or answer.seconds > self.limits.time_seconds:
            return None
        return Outcome(
            status=Status.OK,
            mask=answer.mask,
            error="",
            seconds=answer.seconds,
            peak_rss_mib=answer.peak_rss_mib,
        )

    def _keep(self, cell: _Cell, outcome: Outcome) -> None:
        key = self._key(cell)
        if key is not None and self.cache is not None and outcome.mask is not None:
            self.cache.keep_answer(
                key,
                Answer(
                    mask=outcome.mask, seconds=outcome.seconds, peak_rss_mib=outcome.peak_rss_mib
                ),
            )

    def _key(self, cell: _Cell) -> str | None:
        if self.cache is None or not cell.entry.module:
            return None
        return answer_key(
            module=cell.entry.module,
            pruner=cell.entry.source.name or "",
            options=cell.entry.source.options,
            bundle=self.challenge.digest,
            density=cell.density,
            seed=cell.seed,
        )


def _attempt(cell: _Cell, outcome: Outcome) -> Attempt:
    return Attempt(
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

"""Running the pruners of a grid on one challenge, each pruner in one of the backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from plantkit.challenges.bundles import PublicChallenge
from plantkit.evaluation.cache import Answer, answer_key
from plantkit.evaluation.calibration import with_effort
from plantkit.evaluation.grid import Cell
from plantkit.evaluation.requests import Progress
from plantkit.evaluation.resources import Resources
from plantkit.isolation.backends import Backend
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.problems import write_problem
from plantkit.isolation.wire import Status
from plantkit.networks.masks import Mask, budget_of
from plantkit.scoring.attempts import Attempt

#: Most seconds until an interrupt at the keyboard is seen.
_WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Runs the cells of one challenge."""

    challenge: PublicChallenge
    resources: Resources
    problem_directory: Path

    @classmethod
    def of(cls, challenge: PublicChallenge, resources: Resources) -> Pruning:
        """Returns the pruning of a challenge, its problem written for the pruners to read."""
        directory = resources.scratch / f"problem-{challenge.digest[:16]}"
        write_problem(directory, challenge.problem(density=1.0, seed=0))
        return cls(challenge=challenge, resources=resources, problem_directory=directory)

    def attempts(
        self, cells: Sequence[Cell], *, label: str, progress: Progress = lambda *_: None
    ) -> list[Attempt]:
        """Returns the attempts of `cells`, in their order; `label` names them in the progress.

        A pruner whose masks do not depend on the seed is run once for all seeds.
        """
        runs = [_run_of(cell) for cell in cells]
        distinct = {_key_of(run): run for run in runs}
        found = self._outcomes(list(distinct.values()), label, progress)
        outcomes = dict(zip(distinct, found, strict=True))
        total = self.challenge.network.total
        return [
            _attempt(cell, outcomes[_key_of(run)], budget_of(cell.density, total))
            for cell, run in zip(cells, runs, strict=True)
        ]

    def again(
        self, cells: Sequence[Cell], *, label: str, progress: Progress = lambda *_: None
    ) -> list[Outcome]:
        """Returns what comes of `cells` when they are run once more, whatever is cached."""
        if not cells:
            return []
        done = 0

        def on_result(_: Outcome) -> None:
            nonlocal done
            done += 1
            progress(f"{label}: pruning again", done, len(cells))

        return self._run([self._job(_run_of(cell)) for cell in cells], on_result)

    def _outcomes(self, cells: Sequence[Cell], label: str, progress: Progress) -> list[Outcome]:
        """Returns what came of `cells`, from the cache or by running them."""
        outcomes = [self._refused(cell) or self._known(cell) for cell in cells]
        missing = [position for position, outcome in enumerate(outcomes) if outcome is None]
        waiting = [cells[position].entry.label for position in missing]

        def tell() -> None:
            under_way = f", {waiting[0]}" if waiting else ""
            progress(f"{label}: pruning{under_way}", len(cells) - len(waiting), len(cells))

        def on_result(_: Outcome) -> None:
            waiting.pop(0)
            tell()

        tell()
        found = self._run([self._job(cells[position]) for position in missing], on_result)
        for position, outcome in zip(missing, found, strict=True):
            outcomes[position] = outcome
            self._keep(cells[position], outcome)
        return [outcome for outcome in outcomes if outcome is not None]

    def _run(self, jobs: Sequence[PruneJob], on_result: Callable[[Outcome], None]) -> list[Outcome]:
        """Returns the outcomes of `jobs`, run on all backends side by side."""
        backends = self.resources.backends[: len(jobs)]
        idle: SimpleQueue[Backend] = SimpleQueue()
        for backend in backends:
            backend.start()
            idle.put(backend)

        def run(job: PruneJob) -> Outcome:
            backend = idle.get()
            try:
                return with_effort(backend.run(job), self.resources.settings.speed)
            finally:
                idle.put(backend)

        outcomes = []
        with ThreadPoolExecutor(max(1, len(backends))) as pool:
            try:
                for future in [pool.submit(run, job) for job in jobs]:
                    while not future.done():  # in short waits, for Windows interrupts none
                        wait([future], _WAIT_SECONDS)
                    outcomes.append(future.result())
                    on_result(outcomes[-1])
            except BaseException:  # an interrupt must not wait for the runs under way
                pool.shutdown(wait=False, cancel_futures=True)
                for backend in backends:
                    backend.stop()
                raise
        return outcomes

    def _job(self, cell: Cell) -> PruneJob:
        return PruneJob(
            source=cell.entry.source,
            problem=self.problem_directory,
            network=self.challenge.network,
            density=cell.density,
            seed=cell.seed,
            limits=self.resources.limits,
        )

    def _refused(self, cell: Cell) -> Outcome | None:
        """Returns why a cell is not run: it asks for a step that its training does not have."""
        steps, asked = self.challenge.recipe.steps(len(self.challenge.train)), cell.entry.rewind
        if asked < max(1, steps):
            return None
        return Outcome(
            status=Status.INVALID,
            mask=None,
            error=f"rewind is {asked}; expected at most {steps - 1}, since training on "
            f"{self.challenge.id} takes {steps} steps",
            seconds=0.0,
            peak_rss_mib=None,
        )

    def _known(self, cell: Cell) -> Outcome | None:
        """Returns the outcome that the cache has of an installed pruner, or None."""
        key = self._key(cell)
        if key is None or self.resources.cache is None:
            return None
        network = self.challenge.network
        answer = self.resources.cache.answer(key, network, budget_of(cell.density, network.total))
        if answer is None or answer.seconds > self.resources.limits.time_seconds:
            return None
        known = Outcome(
            status=Status.OK,
            mask=answer.mask,
            error="",
            seconds=answer.seconds,
            peak_rss_mib=answer.peak_rss_mib,
            cpu_seconds=answer.cpu_seconds,
            effort=answer.effort,
        )
        return with_effort(known, self.resources.settings.speed)

    def _keep(self, cell: Cell, outcome: Outcome) -> None:
        key = self._key(cell)
        if key is not None and self.resources.cache is not None and outcome.mask is not None:
            self.resources.cache.keep_answer(
                key,
                Answer(
                    mask=outcome.mask,
                    seconds=outcome.seconds,
                    peak_rss_mib=outcome.peak_rss_mib,
                    cpu_seconds=outcome.cpu_seconds,
                    effort=outcome.effort,
                ),
            )

    def _key(self, cell: Cell) -> str | None:
        if self.resources.cache is None or not cell.entry.module:
            return None
        return answer_key(
            module=cell.entry.module,
            pruner=cell.entry.source.name or "",
            options=cell.entry.source.options,
            bundle=self.challenge.digest,
            density=cell.density,
            seed=cell.seed,
        )


def _run_of(cell: Cell) -> Cell:
    """Returns the cell whose run counts for `cell`."""
    return cell if cell.entry.is_seeded else replace(cell, seed=0)


def _key_of(cell: Cell) -> tuple[str, float, int]:
    return cell.entry.label, cell.density, cell.seed


def _note(mask: Mask | None, budget: int) -> str:
    if mask is None or mask.kept:
        return ""
    return (
        f"the mask keeps none of {mask.total} parameters and may keep {budget}, so that the "
        "network gives the same output for every input; 1 means keep"
    )


def _attempt(cell: Cell, outcome: Outcome, budget: int) -> Attempt:
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
        cpu_seconds=outcome.cpu_seconds,
        effort=outcome.effort,
        rewind_step=cell.entry.rewind,
        output=outcome.output,
        note=_note(outcome.mask, budget),
        traceback=outcome.traceback,
    )

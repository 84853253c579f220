"""Running the pruners of a grid on one challenge: what is run, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from plantkit.challenges.bundles import PublicChallenge
from plantkit.evaluation.cache import Answer, answer_key
from plantkit.evaluation.calibration import with_effort
from plantkit.evaluation.grid import Cell
from plantkit.evaluation.resources import Resources
from plantkit.isolation.backends import Backend
from plantkit.isolation.here import run_here
from plantkit.isolation.jobs import Outcome, PruneJob
from plantkit.isolation.problems import write_problem
from plantkit.isolation.wire import Status
from plantkit.networks.budget import budget_of
from plantkit.networks.masks import Mask
from plantkit.scoring.attempts import Attempt


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

    def attempts_of(self, cells: Sequence[Cell], outcomes: Sequence[Outcome]) -> list[Attempt]:
        """Returns the attempts of `cells`, of the outcomes of their `distinct_runs`."""
        by_run = dict(zip(map(_key_of, distinct_runs(cells)), outcomes, strict=True))
        total = self.challenge.network.total
        return [
            _attempt(cell, by_run[_key_of(run_of(cell))], budget_of(cell.density, total))
            for cell in cells
        ]

    def outcome(self, cell: Cell, backend: Backend) -> Outcome:
        """Returns what came of one of the `distinct_runs`, from the cache or run on `backend`."""
        known = self._refused(cell) or self._known(cell)
        if known is not None:
            return known
        outcome = self.again(cell, backend)
        self._keep(cell, outcome)
        return outcome

    def again(self, cell: Cell, backend: Backend) -> Outcome:
        """Returns what comes of one of the `distinct_runs` once more, whatever is cached."""
        return with_effort(backend.run(self.job(cell)), self.resources.settings.speed)

    def here(self, cell: Cell) -> Outcome:
        """Returns what comes of a run of a pruner that is an object of this process."""
        return with_effort(run_here(self.job(cell)), self.resources.settings.speed)

    def job(self, cell: Cell) -> PruneJob:
        """Returns what a backend is to run for a cell."""
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


def distinct_runs(cells: Sequence[Cell]) -> list[Cell]:
    """Returns the cells that must be run: one for all seeds where masks do not depend on them."""
    return list({_key_of(run): run for run in map(run_of, cells)}.values())


def run_of(cell: Cell) -> Cell:
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

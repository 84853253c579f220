"""Evaluations from Python, for notebooks and tests: the figures of the command line, by pruner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from plantkit.challenges.densities import multiple_of
from plantkit.errors import UnknownNameError, UsageError
from plantkit.evaluation.requests import Request
from plantkit.evaluation.run import run_evaluation
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.ranking import Standing
from plantkit.scoring.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerFigures(Standing):
    """One pruner's place in the standings, and its runs; see `Standing`."""

    records: Sequence[Record]

    @property
    def name(self) -> str:
        """The pruner's label in the tables."""
        return self.pruner

    @property
    def errors(self) -> list[str]:
        """What went wrong, one line per failed run; empty if nothing did."""
        return [
            f"{record.challenge}, density {record.target_density:.4g}, seed {record.seed}: "
            f"{record.status}: {record.error}"
            for record in self.records
            if record.status != "ok"
        ]

    def recovered(
        self,
        track: str,
        *,
        challenge: str | None = None,
        density: float | str | None = None,
        digits: bool = False,
    ) -> float:
        """Returns the mean recovered accuracy in [0, 1] of the runs asked for.

        Args:
            track: "strong" (untrained) or "weak" (after training).
            challenge: one challenge's runs, by id; all if None.
            density: one requested density's runs, a number, "3x" or "planted"; all if None.
            digits: return recovered digits instead.

        Raises:
            UsageError: no such track, or no run of that challenge and density.
        """
        if track not in {"strong", "weak"}:
            raise UsageError(f"track is {track!r}; expected 'strong' or 'weak'")
        scores = [
            record.strong if track == "strong" else record.weak
            for record in self.records
            if challenge in {None, record.challenge} and _has_density(record, density)
        ]
        found = [one.recovered_digits if digits else one.recovered_accuracy for one in scores]
        if not found:
            made = sorted({(record.challenge, record.target_density) for record in self.records})
            raise UsageError(
                f"{self.name!r} has no run of challenge {challenge!r} at density {density!r}; "
                f"it has {', '.join(f'{name} at {value:.4g}' for name, value in made)}"
            )
        return sum(found) / len(found)


class EvaluationResult:
    """The figures of an evaluation by pruner name, best first.

    Attributes:
        evaluation: all that was evaluated.
        warnings: what the command line would have warned of; they are not Python warnings,
            which tests often turn into errors.
    """

    def __init__(self, evaluation: Evaluation, warnings: Sequence[str] = ()) -> None:
        self.evaluation = evaluation
        self.warnings = tuple(warnings)
        self._figures = {
            standing.pruner: PrunerFigures(
                **standing.to_json(),
                records=[one for one in evaluation.records if one.pruner == standing.pruner],
            )
            for standing in evaluation.standings
        }

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object whose schema is `results`."""
        return self.evaluation.to_json()

    def __getitem__(self, name: str) -> PrunerFigures:
        if name not in self._figures:
            raise UnknownNameError("pruner in this evaluation", name, self._figures)
        return self._figures[name]

    def __contains__(self, name: object) -> bool:
        return name in self._figures

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)


def evaluate_pruners(
    pruners: Sequence[str], *, baselines: str = "none", **options: Any
) -> EvaluationResult:
    """Returns the figures of pruners, each run in a process of its own.

    Args:
        pruners: paths or registered names, as on the command line.
        baselines: installed pruners to rank with them: names, "suite", "all" or "none".
        options: other fields of `Request`, such as suite, challenges, densities and seeds.

    Raises:
        UsageError: a file, name or value that cannot be used, or two suites of challenges.
        PluginError: none of the pruners can be loaded.
        BundleError: a challenge is invalid.
    """
    warnings: list[str] = []
    outcome = run_evaluation(
        Request(pruners=pruners, baselines=baselines, **options),
        warn=lambda message: warnings.append(str(message)),
        progress=lambda *_: None,
    )
    return EvaluationResult(outcome.evaluation, warnings)


def _has_density(record: Record, density: float | str | None) -> bool:
    if density is None:
        return True
    multiple = multiple_of(density)
    if multiple is None:
        return record.target_density == density
    return math.isclose(record.density_multiple, multiple, rel_tol=1e-9)

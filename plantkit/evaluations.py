"""An evaluation as a value: what `plantkit evaluate --format json` prints, by pruner.

For notebooks and tests. The figures are the command line's, by the same path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plantkit.bundles import PLANTED
from plantkit.errors import UnknownNameError, UsageError
from plantkit.results import Record
from plantkit.session import Request, run_evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerFigures:
    """One pruner's place in the standings, and its runs.

    score: 0 to 100, low to high its interval. strong_area, weak_area, f1: in [0, 1].
    failures: runs that were not ok.
    """

    name: str
    rank: int
    score: float
    low: float
    high: float
    strong_area: float
    weak_area: float
    f1: float | None
    failures: int
    records: Sequence[Record]

    @property
    def errors(self) -> list[str]:
        """What went wrong, one line a failed run; empty where nothing did."""
        return [
            f"{record.challenge}, density {record.target_density:.4g}, seed {record.seed}: "
            f"{record.status}: {record.error}"
            for record in self.records
            if record.status != "ok"
        ]

    def recovered(
        self, track: str, *, challenge: str | None = None, density: float | str | None = None
    ) -> float:
        """Returns the mean recovered accuracy in [0, 1] of the runs asked for.

        Args:
            track: "strong" (untrained) or "weak" (after training).
            challenge: one challenge's runs, by id; all if None.
            density: one requested density's runs, a number or "planted"; all if None.

        Raises:
            UsageError: no such track, or no run of that challenge and density.
        """
        if track not in {"strong", "weak"}:
            raise UsageError(f"track is {track!r}; expected 'strong' or 'weak'")
        found = [
            (record.strong if track == "strong" else record.weak).recovered_accuracy
            for record in self.records
            if challenge in {None, record.challenge} and _has_density(record, density)
        ]
        if not found:
            made = sorted({(record.challenge, record.target_density) for record in self.records})
            raise UsageError(
                f"{self.name!r} has no run of challenge {challenge!r} at density {density!r}; "
                f"it has {', '.join(f'{name} at {value:.4g}' for name, value in made)}"
            )
        return sum(found) / len(found)


_STANDING_FIELDS = ("rank", "score", "low", "high", "strong_area", "weak_area", "f1", "failures")


class EvaluationResult:
    """Figures by pruner name, best first.

    Attributes:
        data: the JSON object whose schema is `results`.
        warnings: what the command line would have warned of; they are no Python warnings,
            which tests often turn into errors.
    """

    def __init__(self, data: Mapping[str, Any], warnings: Sequence[str] = ()) -> None:
        self.data = data
        self.warnings = tuple(warnings)
        self._figures = {}
        for standing in data["standings"]:
            name = standing["pruner"]
            records = [
                Record.from_json(record) for record in data["records"] if record["pruner"] == name
            ]
            figures = {key: standing[key] for key in _STANDING_FIELDS}
            self._figures[name] = PrunerFigures(name=name, records=records, **figures)

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
    pruners: Sequence[str],
    *,
    suite: str | None = None,
    challenges: Sequence[str] = (),
    challenge_directories: Sequence[Path] = (),
    densities: Sequence[float | str] = (),
    seeds: int | None = None,
    baselines: str = "none",
    time_seconds: float = 300.0,
    memory_mib: int = 4096,
    jobs: int | None = None,
) -> EvaluationResult:
    """Returns the figures of pruners, each run in a process of its own.

    Args:
        pruners: paths or registered names, as on the command line.
        baselines: installed pruners to run beside them: names, "suite", "all" or "none".

    Raises:
        UsageError: a file, name or value that cannot be used, or two suites of challenges.
        PluginError: none of the pruners can be loaded.
        BundleError: a challenge is invalid.
    """
    if suite is not None and challenges:
        raise UsageError("suite and challenges exclude each other; give one of them")
    if not pruners:
        raise UsageError("no pruner was given; expected a path or a registered name")
    request = Request(
        pruners=pruners,
        suite=suite,
        challenges=challenges,
        challenge_directories=challenge_directories,
        densities=densities,
        seeds=seeds,
        baselines=baselines,
        output_format="json",
        time_seconds=time_seconds,
        memory_mib=memory_mib,
        jobs=jobs,
    )
    warnings: list[str] = []
    result = run_evaluation(
        request,
        warn=lambda message: warnings.append(str(message)),
        progress=lambda *_: None,
    )
    return EvaluationResult(json.loads(result.text), warnings)


def _has_density(record: Record, density: float | str | None) -> bool:
    if density == PLANTED:
        return record.is_planted_density
    return density is None or record.target_density == density

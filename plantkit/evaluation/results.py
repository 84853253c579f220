"""The results of an evaluation from Python, for notebooks and tests: figures, tables, pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plantkit.challenges.densities import multiple_of
from plantkit.errors import MissingExtraError, UnknownNameError, UsageError
from plantkit.files import write_whole
from plantkit.networks.masks import Mask
from plantkit.reports import csv
from plantkit.scoring.evaluation import Evaluation
from plantkit.scoring.ranking import Standing
from plantkit.scoring.records import Record

if TYPE_CHECKING:
    from altair import ConcatChart
    from pandas import DataFrame


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
    """The results of an evaluation: a mapping from pruner names to figures, best first.

    In a notebook it shows the standings.

    Attributes:
        evaluation: all that was evaluated: records, standings, challenges, settings, masks.
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

    def __repr__(self) -> str:
        """The standings, and what went wrong, as the command line prints them."""
        from plantkit.reports import table

        return table.render(self.evaluation, more="").rstrip()

    def _repr_html_(self) -> str:
        """The standings, and what went wrong, as HTML; Jupyter calls this."""
        return "\n".join(
            self._parts("html", lambda lines: "".join(f"<p>{escape(line)}</p>" for line in lines))
        )

    def _parts(self, form: str, paragraphs: Callable[[Sequence[str]], str]) -> Iterator[str]:
        from plantkit.reports.tables import error_lines, note_lines, render_table
        from plantkit.reports.tracks import standings_tables

        for table in standings_tables(self.evaluation):
            yield paragraphs([table.title])
            headers = list(table.rows[0])
            align = ["left" if name == "pruner" else "right" for name in headers]
            cells = [list(row.values()) for row in table.rows]
            yield render_table(headers, cells, form, align=align)
        found = [*error_lines(self.evaluation), *note_lines(self.evaluation), *self.warnings]
        if found:
            yield paragraphs(found)

    def to_frame(self, what: Literal["records", "standings"] = "records") -> DataFrame:
        """Returns a pandas data frame.

        Args:
            what: "records" for a row per run, with the columns of `--format csv`; "standings" for a
                row per pruner.

        Raises:
            MissingExtraError: pandas is not installed.
            UsageError: `what` is something else.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError(extra="notebook", needed_for="to_frame()") from error
        if what == "records":
            return pd.DataFrame(csv.rows(self.evaluation), columns=csv.COLUMNS)
        if what == "standings":
            return pd.DataFrame([one.to_json() for one in self.evaluation.standings])
        raise UsageError(f"what is {what!r}; expected 'records' or 'standings'")

    def mask(self, pruner: str, *, challenge: str, density: float | str, seed: int = 0) -> Mask:
        """Returns the mask that a pruner found in one run.

        Args:
            challenge: an id.
            density: as it was asked for: a number, "3x" or "planted".

        Raises:
            UnknownNameError: no such pruner.
            UsageError: no such run, or it has no mask: it failed, or masks were not kept.
        """
        what = f"{pruner!r} on {challenge!r} at density {density!r} with seed {seed}"
        for record in self[pruner].records:
            if (record.challenge, record.seed) == (challenge, seed) and _has_density(
                record, density
            ):
                found = self.evaluation.masks.get(record.mask_sha256 or "")
                if found is None:
                    why = (
                        "its mask was not kept"
                        if record.status == "ok"
                        else f"{record.status}: {record.error}"
                    )
                    raise UsageError(f"there is no mask of {what}: {why}")
                return found
        raise UsageError(f"there is no run of {what}")

    def plot(self, kind: str = "curves") -> ConcatChart:
        """Returns charts, which a notebook shows, and which can be changed and saved.

        Args:
            kind: "curves" for recovered digits over density, "standings" for scores with their
                intervals, "heat_map" for scores by challenge, "effort" for scores over effort.

        Raises:
            UnknownNameError: no such kind.
            UsageError: there is nothing of that kind to show.
            MissingExtraError: Altair is not installed.
        """
        from plantkit.reports.pictures.evaluations import draw_evaluation

        return draw_evaluation(self.evaluation, kind)

    def report(self, path: str | Path) -> Path:
        """Writes one HTML page with everything, as `plantkit report` does, and returns its path.

        Raises:
            UsageError: it cannot be written.
        """
        from plantkit.reports import html

        try:
            write_whole(Path(path), html.render(self.evaluation))
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        return Path(path)

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


def _has_density(record: Record, density: float | str | None) -> bool:
    if density is None:
        return True
    multiple = multiple_of(density)
    if multiple is None:
        return record.target_density == density
    return math.isclose(record.density_multiple, multiple, rel_tol=1e-9)

"""The words and tables of a report; the template puts them in their places."""

from __future__ import annotations

import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath

from plantkit.challenges.facts import ChallengeFacts
from plantkit.networks.masks import Mask
from plantkit.reports.comparisons import comparison_tables
from plantkit.reports.page.drawings import network_of
from plantkit.reports.page.figure import Figure
from plantkit.reports.page.figures import name_of
from plantkit.reports.tables import Table, challenge_tables, error_lines, note_lines
from plantkit.reports.telling import OVERLAP_NOTE, is_overlap_telling
from plantkit.reports.tracks import effort_table, exceeds_a_budget, standings_tables
from plantkit.scoring.evaluation import Evaluation, Settings
from plantkit.scoring.ranking import by_kind
from plantkit.scoring.score import SCORING_VERSION

#: Columns of words; all others hold numbers.
WORDS = frozenset(
    {"pruner", "status", "challenge", "family", "digest", "source", "options", "alike"}
)
#: Columns that by density would help to guess a ticket that readers may not know.
_TELLING = {"overlap", "F1"}

CITATION = """@inproceedings{fischer2022plant,
  title = {Plant 'n' Seek: Can You Find the Winning Ticket?},
  author = {Jonas Fischer and Rebekka Burkholz},
  booktitle = {International Conference on Learning Representations},
  year = {2022},
  eprint = {2111.11153},
  archivePrefix = {arXiv}
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Challenges of one kind: their name, and the figures and the table of their results."""

    name: str
    figures: Sequence[Figure]
    table: Table


class Sections:
    """What the template asks for, from one evaluation.

    tickets: by challenge digest, those that readers may know. merging_notes: how runs that were
    merged differ.
    """

    words = WORDS
    citation = CITATION

    def __init__(
        self,
        evaluation: Evaluation,
        figures: Sequence[Figure],
        tickets: Mapping[str, Mask],
        merging_notes: Sequence[str],
    ) -> None:
        self.merging_notes = merging_notes
        self._evaluation = evaluation
        self._figures = figures
        self._tickets = tickets

    @property
    def standings(self) -> list[Table]:
        secret = set(self.secret)
        is_secret = is_overlap_telling(self._evaluation, lambda one: one.id in secret)
        return [
            _without(table, _TELLING if is_secret else set(), [OVERLAP_NOTE] * is_secret)
            for table in standings_tables(self._evaluation)
        ]

    @property
    def kinds(self) -> list[Kind]:
        kinds = by_kind(self._evaluation.challenges)
        tables = challenge_tables(self._evaluation)
        return [
            Kind(
                name=name_of(kind),
                figures=[one for one in self._figures if one.group == kind[0].id],
                table=self._without_telling(kind, table),
            )
            for kind, table in zip(kinds, tables, strict=True)
        ]

    def _without_telling(self, kind: Sequence[ChallengeFacts], table: Table) -> Table:
        if all(one.digest in self._tickets for one in kind):
            return table
        return _without(table, _TELLING)

    @property
    def secret(self) -> list[str]:
        """The challenges whose tickets the page must not show, by id."""
        return [one.id for one in self._evaluation.challenges if one.digest not in self._tickets]

    @property
    def heat_map(self) -> Table:
        """The scores of the heat map, a row per pruner and a column per challenge."""
        rows: dict[str, dict[str, str]] = {}
        blank = dict.fromkeys([one.id for one in self._evaluation.challenges], "")
        for figure in self._figures:
            for cell in figure.data.get("cells", ()):
                row = rows.setdefault(cell["pruner"], {"pruner": cell["pruner"], **blank})
                row[cell["challenge"]] = f"{cell['score']:.1f}"
        return Table(title="Score of every pruner on every challenge", rows=list(rows.values()))

    @property
    def budgets(self) -> Table | None:
        """Scores at budgets of effort, where one changes anything."""
        return effort_table(self._evaluation) if exceeds_a_budget(self._evaluation) else None

    @property
    def comparisons(self) -> list[Table]:
        return comparison_tables(self._evaluation)

    @property
    def failures(self) -> list[str]:
        return error_lines(self._evaluation)

    @property
    def notes(self) -> list[str]:
        return note_lines(self._evaluation)

    @property
    def challenges(self) -> Table:
        rows = [
            {
                "challenge": one.id,
                "family": one.family,
                "network": network_of(one).label,
                "planted density": f"{one.planted_density:.4g}",
                "ticket": f"{one.ticket.strong:.4g}",
                "dense": f"{one.dense.weak:.4g}",
                "constant": f"{one.trivial:.4g}",
                "digest": one.digest,
            }
            for one in self._evaluation.challenges
        ]
        return Table(title="Challenges", rows=rows)

    @property
    def pruners(self) -> Table:
        rows = [
            {
                "pruner": entry.label,
                "source": _file_name(entry.source.path)
                if entry.source.path
                else f"{entry.plugin} {entry.version}".strip(),
                "options": ", ".join(
                    f"{name}={value}" for name, value in entry.source.options.items()
                ),
                "digest": entry.sha256 or "",
            }
            for entry in self._evaluation.entries
        ]
        return Table(title="Pruners", rows=rows)

    @property
    def facts(self) -> dict[str, str]:
        """How the evaluation was made, by what is said."""
        evaluation = self._evaluation
        protocol, settings, origin = (
            evaluation.protocol,
            evaluation.settings,
            evaluation.provenance,
        )
        weights = ", ".join(
            f"{part} {getattr(protocol, f'{part}_weight'):g}"
            for part in ("strong", "weak", "overlap")
        )
        families = ", ".join(
            f"{name} {weight:g}" for name, weight in protocol.family_weights.items()
        )
        return {
            "Date": evaluation.started,
            "Suite": evaluation.suite or "none: challenges by name",
            "Densities": ", ".join(map(str, protocol.densities)),
            "Seeds": str(protocol.seeds),
            "Weights of the score": weights + (f"; families: {families}" if families else ""),
            "Isolation": settings.isolation,
            "Device": f"{settings.device}, {settings.jobs} at a time",
            "Speed": ""
            if settings.speed is None
            else f"{settings.speed:.2f} times the reference machine's",
            "plantkit": f"{origin.plantkit_version}, scoring version {SCORING_VERSION}",
            **origin.environment,
            "Commit": origin.git_hash or "",
        }

    @property
    def command(self) -> str:
        """The command that makes this evaluation again, in a folder with the submissions."""
        evaluation = self._evaluation
        words = ["plantkit", "evaluate"]
        for entry in evaluation.entries:
            source = entry.source
            if source.path:
                name = _file_name(source.path)
            else:
                name = source.name or entry.label.partition(":")[0]
            options = ",".join(f"{key}={value}" for key, value in source.options.items())
            words.append(f"{name}:{options}" if options else name)
        if evaluation.suite:
            words += ["--suite", evaluation.suite]
        else:
            for challenge in evaluation.challenges:
                words += ["--challenge", challenge.id]
        for density in evaluation.protocol.densities:
            words += ["--density", str(density)]
        words += ["--seeds", str(evaluation.protocol.seeds), "--baselines", "none"]
        usual, used = Settings(), evaluation.settings
        if used.time_seconds not in {None, usual.time_seconds}:
            words += ["--time-limit", f"{used.time_seconds:g}"]
        if used.memory_mib not in {None, usual.memory_mib}:
            words += ["--memory-limit", str(used.memory_mib)]
        return shlex.join(words)


def _file_name(path: str) -> str:
    """Returns the name of a file; the folders that it lay in are nobody's business."""
    return PureWindowsPath(path).name


def _without(table: Table, columns: Container[str], notes: Sequence[str] = ()) -> Table:
    """Returns a table without columns, with notes that say so."""
    rows = [{name: cell for name, cell in row.items() if name not in columns} for row in table.rows]
    return Table(title=table.title, rows=rows, notes=[*table.notes, *notes])

"""What the formats made by tabulate share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tabulate import tabulate

from plantkit.reports.tables import Table, challenge_tables, error_lines, standings_table

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

_LEFT = {"pruner", "status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TabulatedReporter:
    """Tables in one of tabulate's formats.

    heading, paragraph: put a table's title and its notes into the format. cell: makes text
    harmless in a cell. wrap: finishes the document.
    """

    name: str
    table_format: str
    heading: Callable[[str], str]
    paragraph: Callable[[Sequence[str]], str]
    cell: Callable[[str], str] = lambda text: text
    wrap: Callable[[str], str] = lambda text: text

    def render(self, evaluation: Evaluation) -> str:
        parts = [self._table(standings_table(evaluation))]
        parts += [self._table(table) for table in challenge_tables(evaluation)]
        errors = error_lines(evaluation)
        if errors:
            parts.append(f"{self.heading('Failures')}\n{self.paragraph(errors)}")
        return self.wrap("\n\n".join(parts) + "\n")

    def _table(self, table: Table) -> str:
        grid = tabulate(
            [[self.cell(text) for text in row] for row in table.rows],
            headers=table.headers,
            tablefmt=self.table_format,
            disable_numparse=True,
            colalign=["left" if name in _LEFT else "right" for name in table.headers]
            if table.rows
            else None,
        )
        notes = f"\n{self.paragraph(table.notes)}" if table.notes else ""
        return f"{self.heading(table.title)}\n{grid}{notes}"

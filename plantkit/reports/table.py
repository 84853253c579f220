"""Plain text for a terminal, 80 columns wide: the standings come last."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from plantkit.reports.details import detail_tables
from plantkit.reports.grids import WIDTH, grid, printable, style
from plantkit.reports.remarks import MORE, remark_lines
from plantkit.reports.tables import Table
from plantkit.reports.tracks import standings_tables
from plantkit.scoring.evaluation import Evaluation

name = "table"

#: Headings of the standings that are shorter here.
_SHORT = {"95% interval": "interval", "failures": "failed"}


def render(
    evaluation: Evaluation,
    *,
    details: bool = False,
    tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
    styled: bool = False,
    more: str = MORE,
) -> str:
    """Returns the standings and a few lines of notes.

    Args:
        details: whether tables per challenge, all failures and what figures mean come before.
        tables: more tables to show before the standings.
        notes: more lines to show under them; in the details they are whole.
        styled: whether bold letters and colours are written.
        more: the last line, which says where there is more; none with the details.
    """
    above = [*(detail_tables(evaluation) if details else ()), *tables]
    if details and notes:
        above.append(Table(title="Differences between the runs", rows=[], notes=notes))
    parts = [_text(table, styled=styled) for table in above]
    standings = [_standings(table) for table in standings_tables(evaluation)]
    parts += [_text(table, styled=styled, ranked=True) for table in standings]
    lines = remark_lines(evaluation, notes, more="" if details else more)
    return "\n\n".join(parts) + "\n" + "\n".join(lines) + "\n"


def _standings(table: Table) -> Table:
    """Returns the standings without what is the same everywhere, and without long words."""
    failed = any(row["failures"] not in {"", "0"} for row in table.rows)
    rows = [
        {
            _SHORT.get(heading, heading): cell.replace(" to ", "-")
            if heading == "95% interval"
            else cell
            for heading, cell in row.items()
            if failed or heading != "failures"
        }
        for row in table.rows
    ]
    return Table(title=table.title, rows=rows)


def _text(table: Table, *, styled: bool, ranked: bool = False) -> str:
    together = printable(table.title).replace(" x ", "\xa0x\xa0")  # "3 x circle-5x100"
    title = textwrap.fill(together, WIDTH, subsequent_indent="  ").replace("\xa0", " ")
    lines = [*(style(line, "bold", styled=styled) for line in title.splitlines()), ""]
    if table.rows:
        headings = list(table.rows[0])
        styles = {
            number: "bold green" if row["rank"] == "1" else "" if row["rank"] else "dim"
            for number, row in enumerate(table.rows)
            if ranked
        }
        rows = [list(row.values()) for row in table.rows]
        lines.append(
            grid(headings, rows, left={"pruner"}, width=WIDTH, styles=styles, styled=styled)
        )
    lines += map(_wrapped, table.notes)
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    """Returns text in lines that fit, if its words do."""
    return "\n".join(
        textwrap.fill(printable(line), WIDTH, subsequent_indent="  ", break_long_words=False)
        for line in text.splitlines()
    )

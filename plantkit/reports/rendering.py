"""All tables of an evaluation as one text, in any of the formats for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from plantkit.reports.tables import challenge_tables, error_lines, note_lines, render_table
from plantkit.reports.tracks import effort_table, exceeds_a_budget, standings_tables

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

#: Columns of words, which are aligned to the left; numbers are aligned to the right.
_LEFT = {"pruner", "status"}


def render_evaluation(
    evaluation: Evaluation,
    form: str,
    *,
    heading: Callable[[str], str],
    paragraphs: Callable[[Sequence[str]], str],
    cell: Callable[[str], str] = str,
) -> str:
    """Returns the standings, a table per challenge, and what went wrong.

    Scores at budgets of effort are among them where a budget changes one.

    Args:
        form: see `render_table`.
        heading, paragraphs: write a title and some notes in that format.
        cell: makes text harmless in a cell.
    """
    parts = []
    tables = standings_tables(evaluation)
    if exceeds_a_budget(evaluation):
        tables.append(effort_table(evaluation))
    for table in [*tables, *challenge_tables(evaluation)]:
        headers = list(table.rows[0])
        grid = render_table(
            headers,
            [[cell(text) for text in row.values()] for row in table.rows],
            form,
            align=["left" if name in _LEFT else "right" for name in headers],
        )
        parts.append("\n".join([heading(table.title), grid, paragraphs(table.notes)]))
    for title, lines in (("Failures", error_lines(evaluation)), ("Notes", note_lines(evaluation))):
        if lines:
            parts.append(f"{heading(title)}\n{paragraphs(lines)}")
    return "\n\n".join(parts) + "\n"

"""Records of other tickets as a table for people, one row per bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plantkit.reports.grids import grid
from plantkit.reports.tables import render_table

_NOTES = (
    "ticket, best found: strong performance, of the planted ticket and of the best mask that was "
    "found without it, at most as many entries. as good: such masks, of all runs, that lose at "
    "most {tolerance} of the ticket's gain.",
    "least effect: change of the outputs when the ticket entry that matters least is dropped, in "
    "their standard deviations. droppable: share of ticket entries that can each be left out "
    "alone and lose at most {tolerance}; together: share that can be left out all at once. Shares "
    "are of the entries that were looked at. "
    "exchangeable: share that can each be exchanged alone for another parameter of its layer and "
    "lose at most {tolerance}; a parameter that does nothing counts too. tickets: such exchanges, "
    "for one that does something. together, exchangeable and tickets are lower bounds.",
)


def render(records: Sequence[Mapping[str, Any]], *, markdown: bool) -> str:
    """Returns the table of records of one tolerance, and what its columns mean."""
    rows = [_row(record) for record in records]
    headers, cells = list(rows[0]), [list(row.values()) for row in rows]
    table = (
        render_table(headers, cells, "github")
        if markdown
        else grid(headers, cells, breaks_words=False)
    )
    tolerance = f"{records[0]['tolerance']:.2%}".replace(".00%", "%")
    notes = [note.format(tolerance=tolerance) for note in _NOTES]
    return "\n\n".join([table, *notes]) + "\n"


def _row(record: Mapping[str, Any]) -> dict[str, str]:
    """Returns the cells of one bundle, by header."""
    search, around = record["search"], record["neighbourhood"]
    best, kept = search["best"], record["ticket"]["kept"]
    within, without = around["within_tolerance"], around["without_loss"]
    runs = sum(searcher["runs"] for searcher in search["searchers"])
    return {
        "challenge": record["challenge"],
        "entries": str(kept),
        "ticket": f"{record['ticket']['strong']:.4f}",
        "best found": "" if best is None else f"{best['strong']:.4f}",
        "by": "" if best is None else best["pruner"],
        "F1": "" if best is None else f"{best['f1']:.3f}",
        "as good": f"{search['as_good']} of {runs}",
        "least effect": f"{around['smallest_effect']:.2g}",
        "droppable": f"{within['droppable']:.0%}",
        "together": f"{within['spare'] / around.get('entries', kept):.0%}",
        "exchangeable": f"{within['exchangeable']:.0%}",
        "tickets": str(within["tickets"]),
        "exchangeable, no loss": f"{without['exchangeable']:.0%}",
    }

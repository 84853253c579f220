"""Records of other tickets as a table for people, one row a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

HEADERS = (
    "challenge",
    "entries",
    "ticket",
    "best found",
    "by",
    "F1",
    "as good",
    "least effect",
    "droppable",
    "together",
    "exchangeable",
    "tickets",
    "exchangeable, no loss",
)
_NOTES = (
    "ticket, best found: strong performance, of the planted ticket and of the best mask that was "
    "found without it, at most as many entries. as good: such masks, of all runs, that lose at "
    "most {tolerance} of the ticket's gain.",
    "least effect: of dropping one ticket entry, on the outputs, in their standard deviations. "
    "droppable: share of ticket entries any one of which can be left out and loses at most "
    "{tolerance}; together: that can be left out all at once. exchangeable: share any one of which "
    "can be exchanged for another parameter of its layer and loses at most {tolerance}, be it for "
    "one that does nothing. tickets: such exchanges, for one that does something. together, "
    "exchangeable and tickets are lower bounds.",
)


def render(records: Sequence[Mapping[str, Any]], *, markdown: bool) -> str:
    """Returns the table of records of one tolerance, and what its columns mean."""
    table = tabulate(
        [_row(record) for record in records],
        headers=HEADERS,
        tablefmt="github" if markdown else "simple",
        disable_numparse=True,
    )
    tolerance = f"{records[0]['tolerance']:.2%}".replace(".00%", "%")
    notes = [note.format(tolerance=tolerance) for note in _NOTES]
    return "\n\n".join([table, *notes]) + "\n"


def _row(record: Mapping[str, Any]) -> tuple[str, ...]:
    search, around = record["search"], record["neighbourhood"]
    best = search["best"]
    within, without = around["within_tolerance"], around["without_loss"]
    runs = sum(searcher["runs"] for searcher in search["searchers"])
    return (
        record["challenge"],
        str(record["ticket"]["kept"]),
        f"{record['ticket']['strong']:.4f}",
        "" if best is None else f"{best['strong']:.4f}",
        "" if best is None else best["pruner"],
        "" if best is None else f"{best['f1']:.3f}",
        f"{search['as_good']} of {runs}",
        f"{around['smallest_effect']:.2g}",
        f"{within['droppable']:.0%}",
        f"{within['spare'] / record['ticket']['kept']:.0%}",
        f"{within['exchangeable']:.0%}",
        str(within["tickets"]),
        f"{without['exchangeable']:.0%}",
    )

"""Tables for spreadsheets: CSV in which no text is taken for a formula."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable

#: What begins a formula, as do its full-width forms.
_SIGNS = frozenset("=+-@")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
#: Letters of what is not shown: spaces, line ends, controls and marks of direction.
_UNSEEN = ("Z", "C")


def csv_text(header: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Returns a table as CSV, each of its cells `harmless`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(harmless, row) for row in [header, *rows])
    return text.getvalue()


def harmless(cell: object) -> object:
    """Returns a cell that spreadsheets take for text, or for a number.

    An apostrophe begins what would be a formula, also where unseen characters come first, and what
    begins with a tab or a line end.
    """
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r", " ")
    first = next((one for one in cell if unicodedata.category(one)[0] not in _UNSEEN), "")
    is_formula = cell[:1] in {"\t", "\r", "\n"} or unicodedata.normalize("NFKC", first) in _SIGNS
    return f"'{text}" if is_formula and not _NUMBER.fullmatch(text) else text

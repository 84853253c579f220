"""The plain gradebook as an Excel workbook; needs the extra `excel`.

XlsxWriter writes it: it can leave out formulas and dates of its own, so that equal grades make
equal files.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from plantkit.errors import MissingExtraError
from plantkit.grading.gradebooks import plain
from plantkit.grading.gradebooks.rows import Gradebook, Row, not_graded

HELP = "The same as an Excel workbook, for staff; needs the extra excel."
FILE = "gradebook.xlsx"
_SHEET = "Grades"
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def render(rows: Sequence[Row], title: str) -> Gradebook:
    """Returns the workbook: one sheet, points as numbers.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
    """
    try:
        xlsxwriter: Any = importlib.import_module("xlsxwriter")
    except ImportError as error:
        raise MissingExtraError(extra="excel", needed_for="writing an Excel gradebook") from error
    header, lines = plain.grid(rows)
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, _OPTIONS) as book:
        book.set_properties({"title": title[:255], "created": datetime(2000, 1, 1)})
        sheet = book.add_worksheet(_SHEET)
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        number = book.add_format({"num_format": "0.##"})
        for column, name in enumerate(header):
            sheet.write_string(0, column, name, bold)
        for at, line in enumerate(lines, start=1):
            for column, cell in enumerate(line):
                if isinstance(cell, str):
                    sheet.write_string(at, column, cell[:32_767])
                elif cell is not None:
                    sheet.write_number(at, column, cell, number)
        sheet.freeze_panes(1, 2)
        sheet.autofilter(0, 0, len(lines), len(header) - 1)
        sheet.set_column(0, len(header) - 1, 12)
        sheet.set_column(0, 1, 24)
    return Gradebook(content=content.getvalue(), notes=not_graded(rows))

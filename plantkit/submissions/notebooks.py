"""Notebooks: the code in their cells, without what only IPython understands.

The Python standard library reads them: `nbformat` would bring a JSON Schema validator and Jupyter's
core for a file of which the code cells are all that is needed.
"""

from __future__ import annotations

import json
import re
import tokenize
from typing import Any

#: Cell magics whose cell is Python code; the cell of any other is dropped.
_PYTHON_MAGICS = {"capture", "prun", "time", "timeit"}
#: A line that is IPython's if a statement begins there: `%magic`, `!shell`, `?help`.
_ESCAPED = re.compile(r"([ \t]*)[%!?]")
#: `name = %magic` and `name = !shell`.
_ASSIGNED = re.compile(r"([ \t]*)[\w.\[\], \t]+=[ \t]*[%!]")
#: `name?` and `name??`.
_ASKED = re.compile(r"([ \t]*)[\w.]+\?{1,2}[ \t]*$")
_TIMED = re.compile(r"([ \t]*)%time[ \t]+(?=\S)")


class NotebookError(ValueError):
    """A notebook cannot be read; the message says why, as the end of a sentence."""


def code_cells(content: bytes) -> list[str]:
    """Returns the text of a notebook's code cells, from the first to the last, as it stands.

    Raises:
        NotebookError: it is not a notebook, or one of another language.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"is not a notebook: {error}") from error
    if not isinstance(value, dict):
        raise NotebookError("is not a notebook: it holds no JSON object")
    cells = value.get("cells")
    if cells is None and isinstance(value.get("worksheets"), list):  # nbformat 3
        sheets = [sheet for sheet in value["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
    if not isinstance(cells, list):
        raise NotebookError("is not a notebook: it has no cells; expected nbformat 3 or 4")
    language = _language(value.get("metadata"))
    if language not in {"", "python", "python3", "ipython"}:
        raise NotebookError(f"is a notebook in {language[:50]!r}; expected Python")
    return [
        _text(cell.get("source", cell.get("input")))
        for cell in cells
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]


def python_of(cell: str) -> str:
    """Returns the Python code of a cell, every line at its place.

    Magics, shell lines and questions become `pass`, since a block may hold nothing else.
    """
    lines = re.split(r"\r\n?|\n", cell)
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        magic = re.match(r"%%(\w*)", lines[first])
        if magic is None or magic[1] not in _PYTHON_MAGICS:
            return "\n" * len(lines)
        lines[first] = ""
    for number, line in enumerate(lines):
        found = _ESCAPED.match(line) or _ASSIGNED.match(line) or _ASKED.match(line)
        if found and _begins_statement(lines[:number]):
            timed = _TIMED.match(line)
            lines[number] = timed[1] + line[timed.end() :] if timed else f"{found[1]}pass"
            after = number
            while not timed and line.endswith("\\") and after + 1 < len(lines):
                after += 1
                line, lines[after] = lines[after], ""  # noqa: PLW2901
    return "\n".join(lines) + "\n"


def _begins_statement(before: list[str]) -> bool:
    """Whether a line after `before` is not inside of a bracket, a string or a continued line."""
    if before and before[-1].endswith("\\"):
        return False
    try:
        for _ in tokenize.generate_tokens(iter([f"{line}\n" for line in before]).__next__):
            pass
    except tokenize.TokenError:
        return False
    except SyntaxError:  # said by the compiler, with its place
        return True
    return True


def _language(metadata: Any) -> str:
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        part = metadata.get(key) if isinstance(metadata, dict) else None
        language = part.get(name) if isinstance(part, dict) else None
        if isinstance(language, str):
            return language.lower()
    return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(source: Any) -> str:
    if isinstance(source, str):
        return source
    return "".join(line for line in _list(source) if isinstance(line, str))

"""Text for a terminal: tables that fit its width, and text that cannot control it.

What is styled holds ANSI codes, which `click.echo` leaves out where they are not wanted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of a terminal that everybody has.
WIDTH = 80

#: Columns that parts of a broken word should have.
_READABLE = 10

#: Only the line below the headings, in ASCII: consoles on Windows may lack other lines.
_BOX = "    \n    \n -  \n    \n    \n    \n    \n    \n"
#: What stays together: words, and the parts of options, such as `name:one=1,other=2`.
_PARTS = re.compile(r"[^\s:,=]*[\s:,=]+|[^\s:,=]+")
#: Spaces at the end of a line, with the codes between them.
_TRAILING = re.compile(r"(?:\s|\x1b\[[\d;]*m)+$")


def printable(text: str) -> str:
    """Returns `text` on one line, with escapes for what would control a terminal."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def shortened(text: str, width: int = WIDTH) -> str:
    """Returns the first line of `text`, printable, cut to `width` characters."""
    line = printable(next(iter(text.strip().splitlines()), ""))
    return line if len(line) <= width else f"{line[: width - 3]}..."


def grid(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Collection[str] | None = None,
    width: int = WIDTH,
    breaks_words: bool = True,
    styles: Mapping[int, str] | None = None,
    styled: bool = False,
) -> str:
    """Returns a table of at most `width` columns, if its numbers leave that much room.

    Columns of words are wrapped where they do not fit: at spaces and after the signs in a pruner's
    options. Elsewhere in words only where that is not enough, in the first column last; without
    `breaks_words` the table is wider then.

    Args:
        rows: cells, which may have line breaks.
        left: headings of the columns of words, which are aligned to the left; others hold numbers
            and are never wrapped. All hold words if None.
        styles: row number to a style of rich, such as "bold".
        styled: whether styles are written.
    """
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    shown = [["\n".join(map(printable, cell.split("\n"))) for cell in row] for row in rows]
    heads = [printable(header) for header in headers]
    are_words = [left is None or header in left for header in headers]
    room = width - 2 * (len(headers) - 1)
    widths = _widths([heads, *shown], are_words, room, breaks_words=breaks_words)
    made = Table(box=Box(_BOX), show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for head, is_words, most in zip(heads, are_words, widths, strict=True):
        made.add_column(
            Text(head), justify="left" if is_words else "right", width=most, overflow="fold"
        )
    for number, row in enumerate(shown):
        cells = (Text(_wrapped(cell, most)) for cell, most in zip(row, widths, strict=True))
        made.add_row(*cells, style=(styles or {}).get(number))
    text = io.StringIO()
    _console(text, sum(widths) + 2 * len(widths), styled=styled).print(made)
    end = "\x1b[0m" if styled else ""
    return "\n".join(_TRAILING.sub(end, line) for line in text.getvalue().splitlines())


def _widths(
    rows: Sequence[Sequence[str]], are_words: Sequence[bool], most: int, *, breaks_words: bool
) -> list[int]:
    """Returns the columns' widths, together at most `most` if the columns of words allow it."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    widths = [max(cell_len(line) for cell in mine for line in cell.split("\n")) for mine in columns]
    words = [
        max(cell_len(part.strip()) for cell in mine for part in [*_PARTS.findall(cell), ""])
        for mine in columns
    ]
    able = {place for place, is_words in enumerate(are_words) if is_words}
    others = able - {0}  # the first is the key, and is broken last
    steps = [(words, able, widths)]  # floors, columns, and sizes, of which the largest goes down
    if breaks_words:
        one = [1] * len(columns)
        steps.append(([_READABLE] * len(columns), others, words))
        steps += [(one, others, widths), (one, able, widths)]
    for floors, places, sizes in steps:
        while sum(widths) > most:
            wide = [place for place in sorted(places) if widths[place] > floors[place]]
            if not wide:
                break
            widths[max(wide, key=sizes.__getitem__)] -= 1
    return widths


def _wrapped(text: str, width: int) -> str:
    """Returns text with line breaks between its parts, so that lines fit if the parts do."""
    from rich.cells import cell_len

    lines = []
    for line in text.split("\n"):
        lines.append("")
        for part in _PARTS.findall(line):
            if lines[-1] and cell_len(f"{lines[-1]}{part}".rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def style(text: str, name: str, *, styled: bool) -> str:
    """Returns `text` in a style of rich, such as "bold", if `styled`."""
    if not styled:
        return text
    from rich.style import Style

    return Style.parse(name).render(text)


def _console(file: io.StringIO, width: int, *, styled: bool) -> Console:
    """Returns a console that writes alike on every machine, whatever the environment says."""
    from rich.console import Console

    return Console(
        file=file,
        width=width,
        force_terminal=styled,
        force_jupyter=False,
        force_interactive=False,
        color_system="standard" if styled else None,
        no_color=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        _environ={},
    )

"""Text for a terminal: tables that fit its width, and text that cannot control it.

What is styled holds ANSI codes, which `click.echo` leaves out where they are not wanted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of a terminal that everybody has.
WIDTH = 80

#: Only the line below the headings, in ASCII: consoles on Windows may lack other lines.
_BOX = "    \n    \n -  \n    \n    \n    \n    \n    \n"
#: Spaces at the end of a line, with the codes between them.
_TRAILING = re.compile(r"(?:\s|\x1b\[[\d;]*m)+$")


def printable(text: str) -> str:
    """Returns `text` on one line, with escapes for what would control a terminal."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def shortened(text: str, width: int = WIDTH) -> str:
    """Returns the first line of `text`, printable, cut to `width` characters."""
    first, *others = text.strip().splitlines() or [""]
    line = printable(first)
    return f"{line[: width - 3]}..." if len(line) > width or (others and not line) else line


def grid(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Collection[str] | None = None,
    width: int = WIDTH,
    styles: Mapping[int, str] | None = None,
    styled: bool = False,
) -> str:
    """Returns a table of at most `width` columns, if words and numbers leave that much room.

    Columns of words are wrapped where they do not fit, at spaces or else anywhere.

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

    made = Table(box=Box(_BOX), show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        if left is None or header in left:
            made.add_column(Text(printable(header)), overflow="fold")
        else:
            made.add_column(Text(printable(header)), justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        cells = [Text("\n".join(map(printable, cell.split("\n")))) for cell in row]
        made.add_row(*cells, style=(styles or {}).get(number))
    console = _console(width, styled=styled)
    with console.capture() as capture:
        console.print(made)
    end = "\x1b[0m" if styled else ""
    return "\n".join(_TRAILING.sub(end, line) for line in capture.get().splitlines())


def style(text: str, name: str, *, styled: bool) -> str:
    """Returns `text` in a style of rich, such as "bold", if `styled`."""
    if not styled:
        return text
    from rich.style import Style

    return Style.parse(name).render(text)


def _console(width: int, *, styled: bool) -> Console:
    """Returns a console that writes alike on every machine, whatever the environment says."""
    from rich.console import Console

    return Console(
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

"""Pictures as Vega-Lite charts, made by Altair: one chart is SVG, PNG, PDF and a notebook's output.

vl-convert draws them without a browser, a display or a network, and the same chart gives the same
bytes; only a PDF's dictionaries are written in no fixed order. Both are in the extra `report`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plantkit.errors import MissingExtraError, UsageError
from plantkit.files import write_whole

if TYPE_CHECKING:
    from altair import TopLevelMixin

#: Formats of a picture, by the suffix of its file.
FORMATS: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png", "pdf")

#: Okabe and Ito's colours, which people with colour blindness can tell apart.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
GREY, INK = "#9aa0a6", "#333333"
COLOURS = (BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9")

#: Pixels of a PNG for every pixel of the chart.
_SCALE = 2


def load_altair(needed_for: str) -> Any:
    """Returns the module `altair`; imported late, as it takes half a second.

    Raises:
        MissingExtraError: it, or what saves its charts, is not installed.
    """
    try:
        import altair
        import vl_convert  # noqa: F401 - altair looks for it when a chart is saved
    except ImportError as error:
        raise MissingExtraError(extra="report", needed_for=needed_for) from error
    return altair


def check_format(path: Path) -> Literal["svg", "png", "pdf"]:
    """Returns the format that the file's name asks for, one of `FORMATS`.

    Raises:
        UsageError: it asks for another, or for none.
    """
    suffix = path.suffix.lower()
    for form in FORMATS:
        if suffix == f".{form}":
            return form
    raise UsageError(
        f"{path}: a picture's name must end in {', '.join(f'.{name}' for name in FORMATS)}"
    )


def save_picture(chart: TopLevelMixin, path: Path) -> None:
    """Writes a chart to a file, all or nothing, in the format that its name asks for.

    Raises:
        UsageError: the name asks for a format that is not one of `FORMATS`.
        OSError: it cannot be written.
    """
    form = check_format(path)
    drawn = io.StringIO() if form == "svg" else io.BytesIO()
    chart.save(drawn, format=form, scale_factor=_SCALE if form == "png" else 1)
    write_whole(path, drawn.getvalue())

"""The figures of a report as SVG and PNG files, for papers and slides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plantkit.errors import MissingExtraError, UsageError
from plantkit.files import write_whole
from plantkit.reports.page.charts import specification, with_rows
from plantkit.reports.page.figures import figures_of
from plantkit.scoring.evaluation import Evaluation

#: Pixels of a PNG per point of the drawing.
_SCALE = 3


def write_plots(evaluation: Evaluation, directory: Path) -> Sequence[Path]:
    """Writes every figure as `<name>.svg` and `<name>.png`, and returns the files.

    Raises:
        MissingExtraError: the extra `report` is not installed.
        UsageError: a file cannot be written.
    """
    check_plots()
    import vl_convert

    pruners = [standing.pruner for standing in evaluation.standings]
    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for figure in figures_of(evaluation):
            spec = with_rows(specification(figure.kind, pruners, printed=True), figure)
            svg = vl_convert.vegalite_to_svg(spec)
            for suffix, content in (
                ("svg", svg),
                ("png", vl_convert.svg_to_png(svg, scale=_SCALE)),
            ):
                path = directory / f"{figure.name}.{suffix}"
                write_whole(path, content)
                written.append(path)
    except OSError as error:
        raise UsageError(f"--plots: {directory} cannot be written: {error.strerror}") from error
    return written


def check_plots() -> None:
    """Raises `MissingExtraError` unless charts can be drawn; before work that takes long."""
    if not can_draw():
        raise MissingExtraError(extra="report", needed_for="drawing charts")


def can_draw() -> bool:
    """Returns whether the extra `report` is installed."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))

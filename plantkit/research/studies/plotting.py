"""Plots of studies: panels in rows and columns, lines with bands. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from plantkit.errors import MissingExtraError

#: Colours that people with colour blindness can tell apart (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
MARKERS = "os^Dv<>P"
_CHARACTERS_PER_INCH = 14

_SETTINGS: Mapping[str, Any] = {
    "svg.hashsalt": "plantkit",
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.grid": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line with its band: points x to (mean, least, greatest), in ascending order of x."""

    label: str
    points: Mapping[float, tuple[float, float, float]]

    @classmethod
    def of(cls, label: str, values: Mapping[float, Sequence[float]]) -> Line:
        """Returns the line through the means at every x; x without values is left out."""
        return cls(
            label=label,
            points={
                x: (sum(found) / len(found), min(found), max(found))
                for x, found in sorted(values.items())
                if found
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One set of axes. marks: x of vertical lines, to their label."""

    title: str
    lines: tuple[Line, ...]
    x_label: str = ""
    y_label: str = ""
    log_x: bool = True
    y_limits: tuple[float, float] | None = None
    marks: Mapping[float, str] = field(default_factory=dict)


def check_extra() -> None:
    """Raises `MissingExtraError` unless matplotlib is installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError(extra="studies", needed_for="drawing plots")


def draw_panels(rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Draws panels in rows and columns into `path`, whose suffix says the format (svg, png).

    The same panels give the same bytes. A line's label has one colour in all panels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    check_extra()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    labels = list(
        dict.fromkeys(line.label for row in rows for panel in row for line in panel.lines)
    )
    columns = max(len(row) for row in rows)
    with mpl.rc_context(cast(Any, dict(_SETTINGS))):
        figure = Figure(figsize=(3.6 * columns, 2.7 * len(rows) + 0.6), layout="constrained")
        axes = figure.subplots(len(rows), columns, squeeze=False)
        handles: dict[str, Any] = {}
        for row, row_axes in zip(rows, axes, strict=True):
            for axis in row_axes[len(row) :]:
                axis.set_axis_off()
            for panel, axis in zip(row, row_axes, strict=False):
                handles |= _draw_panel(panel, axis, labels)
        if handles:
            figure.legend(
                list(handles.values()),
                list(handles),
                loc="outside lower center",
                ncols=_legend_columns(list(handles), figure.get_figwidth()),
                frameon=False,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _legend_columns(labels: Sequence[str], inches: float) -> int:
    """Returns how many labels, each with its sample of the line, fit side by side."""
    characters = max(len(label) for label in labels) + 7
    return max(1, min(len(labels), int(inches * _CHARACTERS_PER_INCH / characters)))


def _draw_panel(panel: Panel, axis: Any, labels: Sequence[str]) -> dict[str, Any]:
    handles = {}
    for line in panel.lines:
        index = labels.index(line.label)
        colour = COLOURS[index % len(COLOURS)]
        xs = list(line.points)
        means, lows, highs = ([point[part] for point in line.points.values()] for part in range(3))
        axis.fill_between(xs, lows, highs, color=colour, alpha=0.15, linewidth=0)
        handles[line.label] = axis.plot(
            xs, means, color=colour, marker=MARKERS[index % len(MARKERS)], markersize=3.5
        )[0]
    for x, label in panel.marks.items():
        axis.axvline(x, color="gray", linestyle=":", linewidth=1)
        axis.annotate(label, (x, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=7)
    if panel.log_x:
        axis.set_xscale("log")
    if panel.y_limits is not None:
        axis.set_ylim(*panel.y_limits)
    axis.set_title(panel.title)
    axis.set_xlabel(panel.x_label)
    axis.set_ylabel(panel.y_label)
    return handles

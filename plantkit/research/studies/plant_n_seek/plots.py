"""Accuracy against density, in the arrangement of the paper's Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from plantkit.research.studies.plant_n_seek.grid import NOISE, TASKS, WIDTH
from plantkit.research.studies.plant_n_seek.methods import METHODS, REFERENCE
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Records
from plantkit.research.studies.study import Plot

_LEAST_SHOWN = -0.25  # R² falls without bound
_STRONG, _WEAK = "untrained (strong)", "trained (weak)"
_MEANS = "at {shape}: means with least and greatest; dotted: planted density"

#: File stem to caption, and columns of panels: schedules, value, and what it is. Rows are tasks.
_FIGURES: Mapping[str, tuple[str, list[tuple[tuple[str, ...], str, str]]]] = MappingProxyType(
    {
        "single": (
            f"Single shot {_MEANS}",
            [(("single",), "strong", _STRONG), (("single",), "weak", _WEAK)],
        ),
        "multishot": (
            f"Multishot {_MEANS}",
            [(("multishot",), "strong", _STRONG), (("multishot",), "weak", _WEAK)],
        ),
        "edge-popup": (
            f"Edge-popup {_MEANS}",
            [
                (("constant", "annealed"), "strong", _STRONG),
                (("constant", "annealed"), "weak", _WEAK),
            ],
        ),
        "weak": (
            "Trained tickets at {shape}, single shot and multishot",
            [(("single",), "weak", "single"), (("multishot",), "weak", "multishot")],
        ),
    }
)


def draw(records: Records, directory: Path) -> list[Plot]:
    """Returns the plots that the records allow, drawn into `directory` as SVG."""
    plots = []
    for depth in sorted(records.distinct("depth"), key=float):
        standard = records.where(depth=depth, width=WIDTH, noise=NOISE)
        shape = f"{depth}x{WIDTH}"
        for stem, (caption, columns) in _FIGURES.items():
            rows = [
                [
                    _panel(found, schedules, value, f"{task}, {what}")
                    for schedules, value, what in columns
                ]
                for task in TASKS
                if (found := standard.where(task=task))
            ]
            if any(panel.lines for row in rows for panel in row):
                path = directory / f"{stem}-{shape}.svg"
                draw_panels(rows, path)
                plots.append(Plot(path=path, caption=caption.format(shape=shape)))
    return plots


def _panel(records: Records, schedules: Sequence[str], value: str, title: str) -> Panel:
    reference = records.where(pruner=REFERENCE)
    dense = reference.where(is_planted=False).values(value)
    ticket = reference.where(is_planted=True)
    lines = []
    for schedule in schedules:
        of_schedule = records.where(schedule=schedule)
        for method in METHODS:
            found = of_schedule.where(pruner=method)
            if not found:
                continue
            label = f"{method}, {schedule}" if len(schedules) > 1 else method
            points = {
                float(density): part.values(value) for density, part in found.by("density").items()
            }
            lines.append(Line.of(label, {**points, 1.0: dense}))
    marks = {float(density): "planted" for density in ticket.distinct("density")[:1]}
    if lines and ticket.values(value):
        where = next(iter(marks))
        lines.append(Line.of("planted ticket", {where: ticket.values(value)}))
    accuracies = "circle" in title
    return Panel(
        title=title,
        lines=tuple(lines),
        x_label="density",
        y_label="test accuracy" if accuracies else "test R²",
        y_limits=(0.0, 1.02) if accuracies else (_LEAST_SHOWN, 1.05),
        marks=marks,
    )

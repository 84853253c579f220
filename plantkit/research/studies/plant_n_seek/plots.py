"""Accuracy against density, in the arrangement of the paper's Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from plantkit.research.studies.plant_n_seek.grid import NOISE, TASKS, WIDTH
from plantkit.research.studies.plant_n_seek.methods import METHODS, REFERENCE
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Records
from plantkit.research.studies.study import Plot

_VALUES = {"strong": "untrained (strong)", "weak": "trained (weak)"}
_LEAST_SHOWN = -0.25  # R² falls without bound


def draw(records: Records, directory: Path) -> list[Plot]:
    """Returns the plots that the records allow, drawn into `directory` as SVG."""
    plots = []
    for name, caption, rows in _figures(records):
        if any(panel.lines for row in rows for panel in row):
            path = directory / f"{name}.svg"
            draw_panels(rows, path)
            plots.append(Plot(path=path, caption=caption))
    return plots


def _figures(records: Records) -> Iterator[tuple[str, str, list[list[Panel]]]]:
    """Yields file stem, caption and panels. Rows are tasks."""
    for depth in sorted(records.distinct("depth"), key=float):
        standard = records.where(depth=depth, width=WIDTH, noise=NOISE)
        tasks = [task for task in TASKS if standard.where(task=task)]
        if not tasks:
            continue
        shape = f"{depth}x{WIDTH}"
        for schedules, stem, title in [
            (("single",), "single", "Single shot"),
            (("multishot",), "multishot", "Multishot"),
            (("constant", "annealed"), "edge-popup", "Edge-popup"),
        ]:
            yield (
                f"{stem}-{shape}",
                f"{title} at {shape}: means with least and greatest; dotted: planted density",
                [
                    [
                        _panel(standard.where(task=task), schedules, value, f"{task}, {how}")
                        for value, how in _VALUES.items()
                    ]
                    for task in tasks
                ],
            )
        yield (
            f"weak-{shape}",
            f"Trained tickets at {shape}, single shot and multishot",
            [
                [
                    _panel(standard.where(task=task), (schedule,), "weak", f"{task}, {schedule}")
                    for schedule in ("single", "multishot")
                ]
                for task in tasks
            ],
        )


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

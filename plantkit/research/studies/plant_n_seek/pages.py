"""Tables and plots of the study's report.

The plots show accuracy against density, in the arrangement of the paper's Figures 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from plantkit.reports.tables import Table
from plantkit.research.studies.claims import Figure
from plantkit.research.studies.plant_n_seek.grid import DENSITIES, NOISE, TASKS, WIDTH, Place
from plantkit.research.studies.plant_n_seek.methods import METHODS, REFERENCE
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Records
from plantkit.research.studies.study import Plot

#: Values in the order of their rows and panels, to what they are.
_SHOWN = {"strong": "untrained", "weak": "trained"}
_LEAST_SHOWN = -0.25  # R² falls without bound
_MEANS = "at {shape}: means with least and greatest; dotted: planted density"
#: A column of panels: schedules, value, and what it is. Rows of panels are tasks.
_Column = tuple[tuple[str, ...], str, str]


def _both(*schedules: str) -> list[_Column]:
    return [(schedules, value, f"{how} ({value})") for value, how in _SHOWN.items()]


#: File stem to caption and columns.
_FIGURES: dict[str, tuple[str, list[_Column]]] = {
    "single": (f"Single shot {_MEANS}", _both("single")),
    "multishot": (f"Multishot {_MEANS}", _both("multishot")),
    "edge-popup": (f"Edge-popup {_MEANS}", _both("constant", "annealed")),
    "weak": (
        "Trained tickets at {shape}, single shot and multishot",
        [((schedule,), "weak", schedule) for schedule in ("single", "multishot")],
    ),
}


def tables(records: Records) -> list[Table]:
    """Returns a table for every kind of network: accuracy or R² by method and density."""
    tasks = records.distinct("task")
    places = sorted(
        {Place.of(record.coordinates) for record in records},
        key=lambda place: (tasks.index(place.task), place.depth, place.width, place.noise),
    )
    return [
        Table(
            title=f"{place.task} {place.depth}x{place.width}, noise {place.noise:g}: "
            f"{'accuracy' if place.task == 'circle' else 'R²'}, mean [least, greatest]",
            rows=list(_rows(records.where(**asdict(place)))),
        )
        for place in places
    ]


def _rows(records: Records) -> Iterator[dict[str, str]]:
    reference = records.where(pruner=REFERENCE)
    densities = reference.where(is_planted=True).distinct("density")
    planted = f"planted {min(map(float, densities)):.2g}" if densities else "planted"
    parts = [("ticket, dense", "", reference)] if reference else []
    parts += [
        (str(method), str(schedule), found)
        for schedule, of_schedule in records.by("schedule").items()
        for method, found in of_schedule.by("pruner").items()
        if method != REFERENCE
    ]
    for name, schedule, found in parts:
        asked = found.where(is_planted=False)
        for value, how in _SHOWN.items():
            yield {
                "method": name,
                "schedule": schedule,
                "": how,
                planted: _cell(found.where(is_planted=True), value),
                **{str(d): _cell(asked.where(density=d), value) for d in (*DENSITIES, 1)},
                "n": str(len(found.distinct("seed"))),
            }


def _cell(found: Records, value: str) -> str:
    values = found.values(value)
    if not values:
        return ""
    figure = Figure.of("", values)
    return f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


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

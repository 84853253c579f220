"""Tables of the study's report: performance by method and density."""

from __future__ import annotations

from collections.abc import Iterator

from plantkit.research.studies.claims import Figure
from plantkit.research.studies.plant_n_seek.grid import DENSITIES
from plantkit.research.studies.plant_n_seek.methods import REFERENCE
from plantkit.research.studies.records import Records
from plantkit.research.studies.tables import Table

_SHOWN = (("strong", "untrained"), ("weak", "trained"))


def tables(records: Records) -> list[Table]:
    """Returns a table for every kind of network: accuracy or R² by method and density."""
    return list(_tables(records))


def kinds(records: Records) -> Iterator[tuple[str, Records]]:
    """Yields every kind of network that has records: its title, and the records."""
    for task in records.distinct("task"):
        of_task = records.where(task=task)
        for depth in sorted(of_task.distinct("depth"), key=float):
            for width in sorted(of_task.where(depth=depth).distinct("width"), key=float):
                of_shape = of_task.where(depth=depth, width=width)
                for noise in sorted(of_shape.distinct("noise"), key=float):
                    yield f"{task} {depth}x{width}, noise {noise:g}", of_shape.where(noise=noise)


def _tables(records: Records) -> Iterator[Table]:
    for title, found in kinds(records):
        reference = found.where(pruner=REFERENCE)
        lines: list[tuple[str, ...]] = []
        for schedule in found.distinct("schedule"):
            for method in found.where(schedule=schedule).distinct("pruner"):
                of_method = found.where(schedule=schedule, pruner=method)
                if method == REFERENCE:
                    continue
                for value, how in _SHOWN:
                    lines.append((str(method), str(schedule), how, *_cells(of_method, value)))
        densities = sorted(
            {float(value) for value in reference.where(is_planted=True).distinct("density")}
        )
        planted = "planted" + (f" {densities[0]:.2g}" if densities else "")
        lines = [*_reference_lines(reference), *lines]
        yield Table(
            title=f"{title}: {'accuracy' if 'circle' in title else 'R²'}, mean [least, greatest]",
            columns=("method", "schedule", "", planted, *map(str, DENSITIES), "1", "n"),
            rows=tuple(lines),
        )


def _reference_lines(reference: Records) -> list[tuple[str, ...]]:
    return [
        (
            "ticket, dense",
            "",
            how,
            _cell(reference.where(is_planted=True), value),
            *("" for _ in DENSITIES),
            _cell(reference.where(is_planted=False), value),
            str(len(reference.distinct("seed"))),
        )
        for value, how in _SHOWN
        if len(reference)
    ]


def _cells(found: Records, value: str) -> list[str]:
    asked = found.where(is_planted=False)
    return [
        _cell(found.where(is_planted=True), value),
        *(_cell(asked.where(density=density), value) for density in DENSITIES),
        "",
        str(len(found.distinct("seed"))),
    ]


def _cell(found: Records, value: str) -> str:
    values = found.values(value)
    if not values:
        return "-"
    figure = Figure.of("", values)
    return f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]"

"""Tables of the study's report: performance by method and density."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from plantkit.reports.tables import Table
from plantkit.research.studies.claims import Figure
from plantkit.research.studies.plant_n_seek.grid import DENSITIES, Place
from plantkit.research.studies.plant_n_seek.methods import REFERENCE
from plantkit.research.studies.records import Records

_SHOWN = (("strong", "untrained"), ("weak", "trained"))
_COLUMNS = (*DENSITIES, 1)


def tables(records: Records) -> list[Table]:
    """Returns a table for every kind of network: accuracy or R² by method and density."""
    tasks = records.distinct("task")
    places = sorted(
        {Place.of(record.coordinates) for record in records},
        key=lambda place: (tasks.index(place.task), place.depth, place.width, place.noise),
    )
    return [_table(place, records.where(**asdict(place))) for place in places]


def _table(place: Place, records: Records) -> Table:
    densities = records.where(pruner=REFERENCE, is_planted=True).distinct("density")
    planted = f"planted {min(map(float, densities)):.2g}" if densities else "planted"
    measure = "accuracy" if place.task == "circle" else "R²"
    return Table(
        title=f"{place.task} {place.depth}x{place.width}, noise {place.noise:g}: {measure}, "
        "mean [least, greatest]",
        columns=("method", "schedule", "", planted, *map(str, _COLUMNS), "n"),
        rows=tuple(_rows(records)),
    )


def _rows(records: Records) -> Iterator[tuple[str, ...]]:
    reference = records.where(pruner=REFERENCE)
    parts = [("ticket, dense", "", reference)] if reference else []
    parts += [
        (str(method), str(schedule), found)
        for schedule, of_schedule in records.by("schedule").items()
        for method, found in of_schedule.by("pruner").items()
        if method != REFERENCE
    ]
    for name, schedule, found in parts:
        asked = found.where(is_planted=False)
        for value, how in _SHOWN:
            yield (
                name,
                schedule,
                how,
                _cell(found.where(is_planted=True), value),
                *(_cell(asked.where(density=density), value) for density in _COLUMNS),
                str(len(found.distinct("seed"))),
            )


def _cell(found: Records, value: str) -> str:
    values = found.values(value)
    if not values:
        return ""
    figure = Figure.of("", values)
    return f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]"

"""The table and the plots of the study's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from plantkit.reports.tables import Table
from plantkit.research.studies.plotting import Line, Panel, draw_panels
from plantkit.research.studies.records import Records, StudyRecord
from plantkit.research.studies.seek.grid import BASE, SEARCHES, Case, in_map, on_line
from plantkit.research.studies.study import Plot

#: Values that are shares of instances, to what they are.
_SHARES: Mapping[str, str] = {"exact": "the planted one", "good": "one as good"}
_MEANS: Mapping[str, str] = {"f1": "F1", "recovered": "recovered", "digits": "digits"}
#: Coordinate and search of the lines, to what is changed.
_LINES: Mapping[tuple[str, str], str] = {
    ("degree", "annealing"): "weights that a ticket unit reads",
    ("samples", "annealing"): "training samples",
    ("noise", "annealing"): "noise on the targets (sd)",
    ("effort", "annealing"): "thousands of masks that annealing tries",
    ("effort", "seek"): "CPU seconds asked of seek",
}
_BANDS = "shares of instances, with 95% intervals"
_LIMITS = (-0.03, 1.03)
#: The normal distribution's 97.5% quantile.
_Z = 1.959964


def tables(records: Records) -> list[Table]:
    """Returns one row for every case."""
    rows = [
        {
            "network": f"{case.depth}x{case.width}",
            "ticket": f"{case.units} units of {case.degree}",
            "density": f"{fmean(found.values('kept')):.3f}",
            "samples": f"{case.samples:,}",
            "noise": f"{case.noise:g}",
            "search": f"{case.pruner}:effort={case.effort}",
            **{
                label: f"{fmean(found.values(name)):.2f}"
                for name, label in {**_SHARES, **_MEANS}.items()
            },
            "n": str(len(found)),
        }
        for case, found in _by_case(records).items()
    ]
    title = "What was found: shares of instances, and means over them"
    return [Table(title=title, rows=rows)] if rows else []


def draw(records: Records, directory: Path) -> list[Plot]:
    """Returns the plots that the records allow, drawn into `directory` as SVG."""
    found = _by_case(records)
    lines = list(_line_panels(found))
    plots = []
    for name, rows, caption in (
        ("map", list(_map_panels(found)), "The planted ticket found, and one as good"),
        (
            "lines",
            [lines[place : place + 3] for place in range(0, len(lines), 3)],
            f"From {BASE.depth}x{BASE.width} with {BASE.units} ticket units, one thing changed",
        ),
    ):
        if rows:
            path = directory / f"{name}.svg"
            draw_panels(rows, path)
            plots.append(Plot(path=path, caption=f"{caption}: {_BANDS}"))
    return plots


def share(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns the mean of zeros and ones, and its 95% interval by Wilson's formula."""
    count, mean = len(values), fmean(values)
    middle = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    spread = (mean * (1 - mean) / count + _Z**2 / (4 * count**2)) ** 0.5
    half = _Z * spread / (1 + _Z**2 / count)
    return mean, max(0.0, middle - half), min(1.0, middle + half)


def _by_case(records: Records) -> dict[Case, Records]:
    found: dict[Case, list[StudyRecord]] = {}
    for record in records:
        found.setdefault(Case.of(record.coordinates), []).append(record)
    return {case: Records(some) for case, some in found.items()}


def _shares(pruner: str, found: Mapping[float, Records]) -> Iterator[Line]:
    for name, said in _SHARES.items():
        points = {x: share(at.values(name)) for x, at in sorted(found.items())}
        if points:
            yield Line(label=f"{pruner}: {said}", points=points)


def _map_panels(found: Mapping[Case, Records]) -> Iterator[list[Panel]]:
    """Yields a row of panels for every depth: one panel for every size of the ticket."""
    mapped = {case: at for case, at in found.items() if in_map(case)}
    for depth in sorted({case.depth for case in mapped}):
        row = []
        for units in sorted({case.units for case in mapped}):
            lines: list[Line] = []
            for pruner in SEARCHES:
                here = {
                    float(case.width): at
                    for case, at in mapped.items()
                    if (case.depth, case.units, case.pruner) == (depth, units, pruner)
                }
                lines += _shares(pruner, here)
            row.append(
                Panel(
                    title=f"{depth} layers, {units} ticket units",
                    lines=tuple(lines),
                    x_label="width",
                    y_label="share of instances",
                    y_limits=_LIMITS,
                )
            )
        yield row


def _line_panels(found: Mapping[Case, Records]) -> Iterator[Panel]:
    for (name, pruner), said in _LINES.items():
        here = {
            float(getattr(case, name)): at
            for case, at in found.items()
            if on_line(case, name, pruner)
        }
        if len(here) > 1:
            f1 = Line.of(f"{pruner}: F1", {x: at.values("f1") for x, at in here.items()})
            yield Panel(
                title=said,
                lines=(*_shares(pruner, here), f1),
                x_label=said,
                y_label="share, F1",
                log_x=name in {"samples", "effort"},
                y_limits=_LIMITS,
            )

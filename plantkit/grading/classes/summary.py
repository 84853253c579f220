"""The page on a class: one for staff, and one without names that can be shown to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plantkit.grading.classes.figures import ClassFigures
from plantkit.grading.classes.graded import GradedHandIn
from plantkit.reports.templates import fill_in

#: Of the picture, in its own units.
_WIDTH, _HEIGHT, _BAR_TOP, _BASE, _LEFT = 640, 210, 24, 180, 20
#: Most numbers along the picture, without the last one.
_MOST_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of the picture, in its units."""

    x: float
    y: float
    width: float
    height: float
    count: int
    title: str


def render_summary(
    title: str,
    figures: ClassFigures,
    pseudonyms: Mapping[str, str],
    *,
    is_anonymous: bool,
    notes: Sequence[str] = (),
    copies: str = "",
) -> str:
    """Returns the page as HTML.

    Args:
        pseudonyms: by id.
        is_anonymous: whether the page has no names, no messages of hand-ins and nothing of hidden
            criteria, and lists students by pseudonym.
        notes: for staff: of the folder and of the gradebooks.
        copies: for staff: HTML on hand-ins that are alike.
    """
    everybody = [*figures.graded, *figures.missing, *figures.ungradable, *figures.waiting]
    rows = {one.handin.id: one for one in everybody}

    def name(one: GradedHandIn) -> str:
        return pseudonyms[one.handin.id] if is_anonymous else one.handin.name

    def place(one: GradedHandIn) -> tuple[str, str]:
        return name(one).casefold(), one.handin.id

    return fill_in(
        "plantkit.grading.classes",
        "summary.html.j2",
        autoescape=True,
        title=title,
        figures=figures,
        bars=_bars(figures),
        ticks=_ticks(figures),
        width=_WIDTH,
        height=_HEIGHT,
        base=_BASE,
        rows=sorted(rows.values(), key=place),
        shown_name=name,
        causes={one.handin.id: "" for one in everybody}
        | {one.handin.id: failing.what for failing in figures.failing for one in failing.handins},
        pseudonyms=pseudonyms,
        is_anonymous=is_anonymous,
        notes=[] if is_anonymous else notes,
        copies="" if is_anonymous else copies,
    )


def _bars(figures: ClassFigures) -> list[Bar]:
    most = max((one.count for one in figures.bins), default=0) or 1
    step = _step(figures)
    bars = []
    for number, one in enumerate(figures.bins):
        height = (_BASE - _BAR_TOP) * one.count / most
        is_last = number == len(figures.bins) - 1
        until = "to" if is_last else "to less than"
        bars.append(
            Bar(
                x=round(_LEFT + number * step + 1, 2),
                y=round(_BASE - height, 2),
                width=round(step - 2, 2),
                height=round(height, 2),
                count=one.count,
                title=f"{one.low:g} {until} {one.high:g} points: {one.count}",
            )
        )
    return bars


def _ticks(figures: ClassFigures) -> list[tuple[float, str]]:
    """Returns where numbers of points stand, and which."""
    every = -(-len(figures.bins) // _MOST_TICKS) or 1
    edges = [one.low for one in figures.bins] + [one.high for one in figures.bins[-1:]]
    return [
        (round(_LEFT + number * _step(figures), 2), f"{edge:g}")
        for number, edge in enumerate(edges)
        if number % every == 0
    ]


def _step(figures: ClassFigures) -> float:
    return (_WIDTH - 2 * _LEFT) / max(1, len(figures.bins))

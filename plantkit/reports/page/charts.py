"""The charts of a report as Vega-Lite, made with altair, which checks every specification.

One specification a kind of figure serves the page, where the browser draws it, and the pictures
of `plots`. The page's has its colours from the page's style, so that it is light or dark with it,
and shows the pruners that the reader picks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plantkit.errors import MissingExtraError
from plantkit.reports.page.figure import Figure

if TYPE_CHECKING:
    import altair as alt

#: Colours of pruners on white; their contrast is at least 4.5. The page's style has its own.
COLOURS = (
    *("#0b62a8", "#c2410c", "#0f7a55", "#9d2f7f"),
    *("#806000", "#5b4bb5", "#13717a", "#6b4a2b"),
)
#: Lines of the first eight pruners, of the next eight, and of the rest.
DASHES = ((1, 0), (6, 3), (2, 2))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_INK, _FAINT = "#222222", "#dddddd"
_PRINTED_WIDTH = 420
#: Most pixels of a name next to its point; a longer one would take the room of the chart.
_MOST_LABEL = 110
#: Kinds of figures that show the pruners that the reader picks; the others show all.
_PICKED = {"curves", "effort", "profiles"}


def specification(kind: str, pruners: Sequence[str], *, printed: bool = False) -> dict[str, Any]:
    """Returns the Vega-Lite specification of a kind of figure, without its rows.

    Args:
        pruners: all names, in the order of the standings; colours go by it.
        printed: for a picture rather than the page: fixed colours and size, and a legend.

    Raises:
        MissingExtraError: altair is not installed.
    """
    try:
        import altair as alt
    except ImportError as error:
        raise MissingExtraError(extra="report", needed_for="drawing charts") from error
    chart = _KINDS[kind](alt, _Look(alt, pruners, printed))
    found: dict[str, Any] = chart.properties(
        width=_PRINTED_WIDTH if printed else "container"
    ).to_dict()
    found["autosize"] = {"type": "fit-x" if not printed else "pad", "contains": "padding"}
    found["config"] = _config(printed)
    if not printed and kind in _PICKED:
        found["params"] = [{"name": "shown", "value": list(pruners)}]
    return found


def with_rows(spec: Mapping[str, Any], figure: Figure) -> dict[str, Any]:
    """Returns a specification with the rows of a figure."""
    return {**spec, "datasets": dict(figure.data), "title": figure.title}


class _Look:
    """How pruners are told apart: the same colour, dash and shape in every chart."""

    def __init__(self, alt: Any, pruners: Sequence[str], printed: bool) -> None:
        def scale(values: Sequence[Any], places: Sequence[int]) -> alt.Scale:
            return alt.Scale(domain=list(pruners), range=[values[place] for place in places])

        self.printed = printed
        self.ink = _INK if printed else "currentColor"
        self.faint = _FAINT if printed else "var(--line)"
        count = range(len(pruners))
        colours = COLOURS if printed else [f"var(--c{i})" for i in range(len(COLOURS))]
        legend = alt.Legend(title=None) if printed else None
        colour_scale = scale(colours, [i % len(COLOURS) for i in count])
        self.colour = alt.Color("pruner:N", scale=colour_scale, legend=legend)
        self.plain_colour = alt.Color("pruner:N", scale=colour_scale, legend=None)
        self.dash = alt.StrokeDash(
            "pruner:N",
            scale=scale(DASHES, [min(i // len(COLOURS), len(DASHES) - 1) for i in count]),
            legend=legend,
        )
        shape_scale = scale(SHAPES, [i % len(SHAPES) for i in count])
        self.shape = alt.Shape("pruner:N", scale=shape_scale, legend=legend)
        self.plain_shape = alt.Shape("pruner:N", scale=shape_scale, legend=None)

    def picked(self, alt: Any, chart: Any) -> Any:
        """Returns `chart` with only the pruners that the reader picked."""
        return chart if self.printed else chart.transform_filter("indexof(shown, datum.pruner)>=0")


def _extent(alt: Any, source: str, x: str, axis: Any, scale: Any) -> Any:
    """Returns nothing to see as wide as all rows, so that a pick leaves the axis where it is."""
    return (
        alt.Chart(alt.NamedData(name=source))
        .transform_aggregate(least=f"min({x})", most=f"max({x})")
        .mark_rule(opacity=0, aria=False)
        .encode(x=alt.X("least:Q", axis=axis, scale=scale), x2="most:Q", y=alt.YValue(0))
    )


def _standings(alt: Any, look: _Look) -> Any:
    base = alt.Chart(alt.NamedData(name="scores"), height=alt.Step(20)).encode(
        y=alt.Y("pruner:N", sort=None, title=None, axis=alt.Axis(labelLimit=140, grid=False))
    )
    score = alt.Scale(zero=True, nice=True)
    tooltip = [alt.Tooltip(name, format=".1f") for name in ("score:Q", "low:Q", "high:Q")]
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=score, title="score"), x2="high:Q", color=look.plain_colour
    )
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("score:Q", scale=score),
        color=look.plain_colour,
        shape=look.plain_shape,
        tooltip=["pruner:N", *tooltip],
    )
    return alt.layer(bars, dots)


def _curves(alt: Any, look: _Look) -> Any:
    scale = alt.Scale(type="log", nice=False, padding=8)
    axis = alt.Axis(format="~g", tickCount=5, title="density (log)", grid=False)
    density = alt.X("density:Q", scale=scale, axis=axis)
    digits = alt.Scale(domain=[0, 1])
    runs = look.picked(alt, alt.Chart(alt.NamedData(name="runs"), height=240))
    bands = runs.mark_area(opacity=0.14).encode(
        x=density,
        y=alt.Y("low:Q", scale=digits, title="recovered digits"),
        y2="high:Q",
        color=look.colour,
    )
    lines = runs.mark_line(strokeWidth=2).encode(
        x=density, y=alt.Y("digits:Q", scale=digits), color=look.colour, strokeDash=look.dash
    )
    dots = runs.mark_point(filled=True, size=45, opacity=1).encode(
        x=density,
        y=alt.Y("digits:Q", scale=digits),
        color=look.colour,
        shape=look.shape,
        tooltip=[
            "pruner:N",
            alt.Tooltip("density:Q", format=".3g"),
            *(alt.Tooltip(name, format=".3f") for name in ("digits:Q", "low:Q", "high:Q")),
            "runs:Q",
            "failed:Q",
        ],
    )
    levels = alt.Chart(alt.NamedData(name="levels"))
    level = levels.mark_rule(strokeDash=[4, 4], color=look.ink, opacity=0.7).encode(y="digits:Q")
    level_names = [
        levels.transform_filter(f"datum.name == '{place}'")
        .mark_text(align="right", baseline=baseline, dy=dy, fontSize=10, color=look.ink)
        .encode(y="digits:Q", x=alt.XValue("width"), text="label:N")
        for place, baseline, dy in (("above", "bottom", -2), ("below", "top", 3))
    ]
    planted = alt.Chart(alt.NamedData(name="planted"))
    rule = planted.mark_rule(strokeDash=[1, 3], strokeWidth=1.5, color=look.ink).encode(x=density)
    rule_name = planted.mark_text(
        align="left", baseline="top", dx=3, dy=2, fontSize=10, color=look.ink
    ).encode(x=density, y=alt.YValue(0), text=alt.TextValue("planted"))
    extent = _extent(alt, "runs", "density", axis, scale)
    return alt.layer(extent, bands, rule, level, lines, dots, *level_names, rule_name)


def _heat_map(alt: Any, look: _Look) -> Any:
    base = alt.Chart(alt.NamedData(name="cells"), height=alt.Step(18)).encode(
        x=alt.X("challenge:N", sort=None, title=None, axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("pruner:N", sort=None, title=None),
    )
    cells = base.mark_rect().encode(
        # No legend: every cell has its number, and Vega numbers gradients anew in each picture.
        color=alt.Color("score:Q", scale=alt.Scale(domain=[0, 100], scheme="blues"), legend=None)
    )
    numbers = base.mark_text(fontSize=9).encode(
        text=alt.Text("score:Q", format=".0f"),
        color=alt.condition("datum.score > 55", alt.value("white"), alt.value(_INK)),
    )
    return alt.layer(cells, numbers)


def _effort(alt: Any, look: _Look) -> Any:
    scale = alt.Scale(type="log", nice=False, padding=20)
    axis = alt.Axis(format="~g", tickCount=5, title="effort in seconds (log)", grid=False)
    effort = alt.X("effort:Q", scale=scale, axis=axis)
    score = alt.Y("score:Q", scale=alt.Scale(zero=True, nice=True))
    points = alt.Chart(alt.NamedData(name="points"), height=300)
    front = points.transform_filter("datum.front")
    line = front.mark_line(
        interpolate="step-after", color=look.ink, opacity=0.5, strokeDash=[4, 4]
    ).encode(x=effort, y=score)
    dots = (
        look.picked(alt, points)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=effort,
            y=score,
            color=look.colour,
            shape=look.shape,
            tooltip=[
                "pruner:N",
                alt.Tooltip("score:Q", format=".1f"),
                alt.Tooltip("effort:Q", format=".3g"),
            ],
        )
    )
    names = [
        look.picked(alt, front)
        .transform_filter(f"datum.side == '{side}'")
        .mark_text(
            align=side,
            dx=7 if side == "left" else -7,
            dy=-8,
            fontSize=11,
            limit=_MOST_LABEL,
            color=look.ink,
        )
        .encode(x=effort, y=score, text="pruner:N")
        for side in ("left", "right")
    ]
    return alt.layer(_extent(alt, "points", "effort", axis, scale), line, dots, *names)


def _profiles(alt: Any, look: _Look) -> Any:
    axis, scale = alt.Axis(title="score of at least"), alt.Scale(zero=True)
    lines = (
        look.picked(alt, alt.Chart(alt.NamedData(name="shares"), height=260))
        .mark_line(strokeWidth=2, interpolate="step-before")
        .encode(
            x=alt.X("score:Q", axis=axis, scale=scale),
            y=alt.Y("share:Q", title="share of runs", axis=alt.Axis(format="%")),
            color=look.colour,
            strokeDash=look.dash,
            tooltip=["pruner:N", "score:Q", alt.Tooltip("share:Q", format=".0%")],
        )
    )
    return alt.layer(_extent(alt, "shares", "score", axis, scale), lines)


def _ranks(alt: Any, look: _Look) -> Any:
    names = alt.Y("pruner:N", sort=None, title=None, axis=alt.Axis(labelLimit=140, grid=False))
    scale = alt.Scale(zero=False, nice=False, padding=12)
    dots = (
        alt.Chart(alt.NamedData(name="ranks"), height=alt.Step(20))
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=alt.X("rank:Q", scale=scale, title="mean rank (1 is the best)"),
            y=names,
            color=look.plain_colour,
            shape=look.plain_shape,
            tooltip=["pruner:N", alt.Tooltip("rank:Q", format=".2f")],
        )
    )
    groups = (
        alt.Chart(alt.NamedData(name="groups"))
        .mark_rule(strokeWidth=4, opacity=0.6, color=look.ink, strokeCap="round")
        .encode(x=alt.X("at:Q", scale=scale), y=alt.Y("first:N", sort=None), y2="last:N")
    )
    difference = (
        alt.Chart(alt.NamedData(name="difference"))
        .mark_rule(strokeWidth=3, color=look.ink)
        .encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=alt.YValue(0))
    )
    return alt.layer(dots, groups, difference)


_KINDS = {
    "standings": _standings,
    "curves": _curves,
    "heat_map": _heat_map,
    "effort": _effort,
    "profiles": _profiles,
    "ranks": _ranks,
}


def _config(printed: bool) -> dict[str, Any]:
    ink = _INK if printed else "currentColor"
    line = _FAINT if printed else "var(--line)"
    font = "sans-serif" if printed else "system-ui, sans-serif"
    return {
        "background": "white" if printed else None,
        "font": font,
        "view": {"stroke": None},
        "title": {"color": ink, "anchor": "start", "fontSize": 13},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "titleFontWeight": "normal",
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
        },
        "legend": {"labelColor": ink, "titleColor": ink, "labelLimit": 200},
    }

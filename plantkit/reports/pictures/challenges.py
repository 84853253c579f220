"""A challenge as a picture: its data, its target and, where that is asked for, its ticket.

References:
    Fischer and Burkholz, "Plant 'n' Seek", arXiv 2111.11153: its Figures 1 and 2 show the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plantkit.challenges.bundles import PublicChallenge
from plantkit.networks.graph import ImageNetwork
from plantkit.networks.masks import Mask
from plantkit.networks.tasks import TaskKind
from plantkit.planting import FAMILIES, TARGETS, TargetFamily
from plantkit.planting.drawn import DrawnFamily
from plantkit.reports.pictures import COLOURS, INK, load_altair
from plantkit.reports.pictures.images import draw_images
from plantkit.reports.pictures.networks import draw_network

if TYPE_CHECKING:
    from altair import Chart, LayerChart, TopLevelMixin

#: Samples that are drawn in all panels together: more would hide the target.
SAMPLES = 300
#: Points of a target's curve; rows of its plane, and points in a row.
CURVE, ROWS, ROW = 400, 140, 1000
#: Most inputs that get a panel of their own.
MOST_PANELS = 4
_SIDE = 240
#: Inputs and targets.
_Drawn = tuple[NDArray[Any], NDArray[Any]]


def draw_challenge(challenge: PublicChallenge, ticket: Mask | None = None) -> TopLevelMixin:
    """Returns a picture of a challenge: its training data and target, and its ticket if given.

    One input: a panel for every output, and the curve that two or three outputs make in space. Two
    inputs: the plane, with the classes or the first output in colour. Images and classes: some
    images of every class. Otherwise a panel for each of the first inputs.

    Args:
        ticket: drawn over the network's units, as in `challenge.truth.ticket`.

    Raises:
        MissingExtraError: Altair is not installed.

    >>> import plantkit as pk
    >>> circle = pk.load_challenge("circle-5x100", truth=False)
    >>> chart = pk.draw_challenge(circle)
    >>> chart.save("circle.svg")  # doctest: +SKIP
    """
    alt = load_altair("a picture of a challenge")
    formula = TARGETS.get(challenge.family)
    drawn = _drawn(challenge)
    shown = len(drawn[0])
    panels: list[Any]
    is_classes = challenge.task.kind is TaskKind.CLASSIFICATION
    if isinstance(challenge.network, ImageNetwork) and is_classes:
        panel, shown = draw_images(alt, challenge.train, challenge.network.image)
        panels = [panel]
    elif challenge.network.inputs == 1:
        panels = _lines(alt, drawn, formula)
    elif challenge.network.inputs == 2 and not is_classes:
        panels = [_heights(alt, drawn)]
    elif challenge.network.inputs == 2:
        panels = [_plane(alt, challenge, drawn, formula)]
    else:
        panels = _clouds(alt, challenge, drawn)
    data = alt.hconcat(*panels, spacing=24)
    parts = [data]
    if ticket is not None:
        parts.append(draw_network(challenge.network, ticket, title="The planted ticket"))
    join = alt.hconcat if len(panels) == 1 else alt.vconcat
    target = "no formula is known: the ticket's outputs are the target"
    if isinstance(FAMILIES.get(challenge.family), DrawnFamily):
        target = "the target's constants are secret"
    if formula is not None:
        target = f"{'lines' if challenge.network.inputs == 1 else 'areas'}: the target"
    elif challenge.manifest["planting"].get("labels") == "data":
        target = "the classes are those of the data"
    subtitle = (
        f"{len(challenge.train):,} training samples, {shown} drawn{_noise(challenge)}; {target}"
    )
    chart: TopLevelMixin = (
        join(*parts, spacing=28)
        .resolve_scale(color="independent")
        .properties(
            title=alt.Title(challenge.title, subtitle=f"{challenge.id}: {subtitle}"),
            background="white",
            padding=10,
            description=f"{challenge.id}: {challenge.title}. {subtitle}",
        )
        .configure_title(anchor="start", subtitleColor=INK)
        .configure_axis(
            labelColor=INK, titleColor=INK, gridColor="#e8eaed", titleFontWeight="normal"
        )
        .configure_view(stroke="#dadce0")
    )
    return chart


def _noise(challenge: PublicChallenge) -> str:
    """Returns what was done to the labels; nothing for those of real data."""
    noise = challenge.manifest["data"]["noise"]
    if challenge.manifest["planting"].get("labels") == "data":
        return ""
    if challenge.task.kind is TaskKind.CLASSIFICATION:
        return f", {noise:.3g} of the labels moved"
    return f", noise {noise:g}"


def _drawn(challenge: PublicChallenge) -> _Drawn:
    """Returns the samples that are drawn: inputs (n, d_in), targets (n,) or (n, d_out)."""
    train, network = challenge.train, challenge.network
    panels = network.outputs if network.inputs == 1 else min(network.inputs, MOST_PANELS)
    most = SAMPLES // (1 if network.inputs == 2 else panels)
    if network.inputs == 2 and challenge.family not in TARGETS:
        most *= 4  # the points alone have to show the target
    return train.inputs[:most].numpy(), train.targets[:most].numpy()


def _axis(alt: Any, kind: str, field: str, title: str, *, is_inner: bool = True) -> Any:
    """Returns the encoding of an axis; that of an input is the domain's, from -1 to 1."""
    scale = alt.Scale(domain=[-1, 1]) if is_inner else alt.Scale(zero=False)
    return getattr(alt, kind)(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5))


def _data(**columns: Sequence[Any] | NDArray[Any]) -> dict[str, Any]:
    """Returns rows of these columns, rounded: a picture needs no more.

    It is a dict since altair checks every row of its own class `Data`, which takes seconds.
    """
    rows = zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True)
    return {
        "values": [
            {
                name: round(value, 4) if isinstance(value, float) else value
                for name, value in zip(columns, row, strict=True)
            }
            for row in rows
        ]
    }


def _lines(alt: Any, drawn: _Drawn, formula: TargetFamily | None) -> list[LayerChart]:
    inputs, targets = drawn
    targets = targets.reshape(len(targets), -1)
    x = np.linspace(-1, 1, CURVE)
    values = None if formula is None else formula.formula(x[:, None])
    panels = []
    for output in range(targets.shape[1]):
        name = "y" if targets.shape[1] == 1 else f"y{output + 1}"
        across, up = _axis(alt, "X", "x", "x"), _axis(alt, "Y", "y", name, is_inner=False)
        layers = [_points(alt, _data(x=inputs[:, 0], y=targets[:, output]), across, up)]
        if values is not None:
            line = alt.Chart(_data(x=x, y=values[:, output]))
            layers.append(
                line.mark_line(color=COLOURS[output % len(COLOURS)], strokeWidth=2).encode(
                    across, up
                )
            )
        side = _SIDE if targets.shape[1] == 1 else _SIDE * 3 // 4
        panels.append(alt.layer(*layers).properties(width=side, height=side))
    if values is not None and values.shape[1] in {2, 3}:
        panels.append(_curve(alt, values))
    return panels


def _curve(alt: Any, values: NDArray[np.float64]) -> LayerChart:
    """Returns the curve that two or three outputs make in space, seen from the side."""
    along = values[:, 2] if values.shape[1] == 3 else np.zeros(len(values))
    across = _axis(alt, "X", "x", "y3 and y1, seen aslant", is_inner=False)
    up = _axis(alt, "Y", "y", "y2", is_inner=False)
    data = _data(
        x=along + 0.35 * values[:, 0], y=values[:, 1] + 0.2 * values[:, 0], n=range(len(along))
    )
    line = alt.Chart(data).mark_line(color=INK, strokeWidth=2).encode(across, up, order="n:Q")
    chart: LayerChart = alt.layer(line).properties(width=_SIDE * 3 // 4, height=_SIDE * 3 // 4)
    return chart


def _plane(
    alt: Any, challenge: PublicChallenge, drawn: _Drawn, formula: TargetFamily | None
) -> LayerChart:
    inputs, targets = drawn
    across, up = _axis(alt, "X", "x1", "x1"), _axis(alt, "Y", "x2", "x2")
    classes = list(range(challenge.task.outputs))
    colour = alt.Color(
        "class:N",
        scale=alt.Scale(domain=classes, range=list(COLOURS[: len(classes)])),
        legend=alt.Legend(title="class"),
    )
    layers = []
    if formula is not None:
        layers.append(
            alt.Chart({"values": _stripes(formula)})
            .mark_rect(opacity=0.3, aria=False)
            .encode(across, up, x2="to:Q", y2="top:Q", color=colour)
        )
    samples = {"x1": inputs[:, 0], "x2": inputs[:, 1], "class": targets}
    layers.append(
        alt.Chart(_data(**samples))
        .mark_circle(size=14, opacity=0.9, aria=False)
        .encode(across, up, color=colour)
    )
    chart: LayerChart = alt.layer(*layers).properties(width=_SIDE * 3 // 2, height=_SIDE * 3 // 2)
    return chart


def _heights(alt: Any, drawn: _Drawn) -> LayerChart:
    """Returns the plane of two inputs, with the samples coloured by their first target."""
    inputs, targets = drawn
    samples = _data(x1=inputs[:, 0], x2=inputs[:, 1], y=targets[:, 0])
    points = alt.Chart(samples).mark_circle(size=40, opacity=0.9, aria=False)
    colour = alt.Color("y:Q", scale=alt.Scale(scheme="viridis"), legend=alt.Legend(title="y"))
    chart: LayerChart = alt.layer(
        points.encode(_axis(alt, "X", "x1", "x1"), _axis(alt, "Y", "x2", "x2"), color=colour)
    ).properties(width=_SIDE * 3 // 2, height=_SIDE * 3 // 2)
    return chart


def _stripes(formula: TargetFamily) -> list[dict[str, Any]]:
    """Returns the classes of the plane [-1, 1]^2, row by row, neighbours of one class together."""
    edges, heights = np.linspace(-1, 1, ROW + 1), np.linspace(-1, 1, ROWS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    stripes = []
    for row in range(ROWS):
        x2 = np.full(ROW, (heights[row] + heights[row + 1]) / 2)
        found = formula.truth(np.stack([middles, x2], axis=1)).tolist()
        place = 0
        for value, cells in itertools.groupby(found):
            end = place + len(list(cells))
            corners = (edges[place], edges[end], heights[row], heights[row + 1])
            left, right, low, high = (round(float(corner), 4) for corner in corners)
            stripes.append({"x1": left, "to": right, "x2": low, "top": high, "class": value})
            place = end
    return stripes


def _clouds(alt: Any, challenge: PublicChallenge, drawn: _Drawn) -> list[Chart]:
    """Returns a panel for each of the first inputs: the target against it, all else mixed in."""
    inputs, targets = drawn
    is_classes = challenge.task.kind is TaskKind.CLASSIFICATION
    values = _spread(targets) if is_classes else targets[:, 0]
    title = "class, spread out" if is_classes else ("y" if challenge.task.outputs == 1 else "y1")
    return [
        _points(
            alt,
            _data(x=inputs[:, column], y=values),
            _axis(alt, "X", "x", f"x{column + 1}"),
            _axis(alt, "Y", "y", title, is_inner=False),
        ).properties(width=_SIDE * 3 // 4, height=_SIDE * 3 // 4)
        for column in range(min(challenge.network.inputs, MOST_PANELS))
    ]


def _spread(classes: NDArray[Any]) -> NDArray[Any]:
    """Returns the classes (n,) as heights, those of one class beside each other."""
    heights: NDArray[Any] = classes + 0.5 * (np.arange(len(classes)) * 0.618034 % 1 - 0.5)
    return heights


def _points(alt: Any, data: Any, across: Any, up: Any) -> Chart:
    chart: Chart = (
        alt.Chart(data).mark_circle(color=INK, size=8, opacity=0.45, aria=False).encode(across, up)
    )
    return chart

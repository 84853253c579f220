"""A perceptron as columns of units, with the ticket's weights, and a mask's over them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.networks.masks import Mask
from plantkit.reports.pictures import BLUE, GREEN, GREY, INK, ORANGE, load_altair

if TYPE_CHECKING:
    from altair import LayerChart

_HEIGHT = 360

#: What an edge is, with its colour, its width and how much of what is beneath shines through.
#: Drawn in this order.
EDGES = {
    "ticket": (BLUE, 1.0, 0.8),
    "missed": (GREY, 0.8, 0.7),
    "kept besides, leads nowhere": (ORANGE, 0.7, 0.6),
    "kept besides, on a path": (GREEN, 1.0, 0.9),
    "found": (BLUE, 1.4, 1.0),
}


def draw_network(
    network: PerceptronSpec, ticket: Mask, mask: Mask | None = None, *, title: str = ""
) -> LayerChart:
    """Returns a picture of a ticket in its network, layers from left to right.

    Every unit is a dot, dark where the ticket reads or sets it, with a ring where the ticket has
    its bias. With a `mask` the edges say what it found of the ticket, what it missed, and what it
    keeps besides: on a path of kept weights from an input to an output, or leading nowhere.

    Args:
        ticket, mask: of the names and shapes of `network.shapes`.

    Raises:
        MissingExtraError: Altair is not installed.

    >>> import plantkit as pk
    >>> network = pk.PerceptronSpec(widths=(1, 4, 1))
    >>> chart = pk.draw_network(network, pk.Mask.full(network), title="All of it")
    >>> chart.save("network.svg")  # doctest: +SKIP
    """
    alt = load_altair("a picture of a network")
    edges = _edges(network, ticket, mask)
    kinds = [kind for kind in EDGES if (kind == "ticket") is (mask is None)]
    position = {
        "x": alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.15, network.depth - 0.85])),
        "y": alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, 1], reverse=True)),
    }
    lines = [
        alt.Chart(alt.Data(values=[edge for edge in edges if edge["edge"] == kind]))
        .mark_rule(strokeWidth=EDGES[kind][1], opacity=EDGES[kind][2], aria=False)
        .encode(
            **position,
            x2="x2:Q",
            y2="y2:Q",
            color=alt.Color(
                "edge:N",
                scale=alt.Scale(domain=kinds, range=[EDGES[kind][0] for kind in kinds]),
                legend=alt.Legend(orient="bottom", title=None) if mask is not None else None,
            ),
        )
        for kind in kinds
    ]
    units = _units(network, ticket)
    dots = [
        alt.Chart(alt.Data(values=[unit for unit in units if unit["used"] is used]))
        .mark_circle(color=INK if used else GREY, size=14 if used else 5, opacity=1, aria=False)
        .encode(**position)
        for used in (False, True)
    ]
    rings = (
        alt.Chart(alt.Data(values=[unit for unit in units if unit["bias"]]))
        .mark_point(color=INK, size=40, strokeWidth=1.2, aria=False)
        .encode(**position)
    )
    names = ["inputs", *(f"hidden {layer}" for layer in range(1, network.depth - 1)), "outputs"]
    heads = (
        alt.Chart(alt.Data(values=[{"x": x, "y": 0, "name": name} for x, name in enumerate(names)]))
        .mark_text(dy=-8, color=INK, aria=False)
        .encode(**position, text="name:N")
    )
    chart: LayerChart = alt.layer(*lines, *dots, rings, heads).properties(
        width=130 * (network.depth - 1),
        height=_HEIGHT,
        view=alt.ViewConfig(stroke=None),
        title=alt.Title(title, subtitle=_subtitle(ticket, mask), offset=16),
        description=f"{title}: {_subtitle(ticket, mask)}",
    )
    return chart


def _subtitle(ticket: Mask, mask: Mask | None) -> str:
    if mask is None:
        biases = sum(int(value.sum()) for name, value in ticket.items() if name.endswith("bias"))
        return f"{ticket.kept} of {ticket.total:,} parameters: {ticket.kept - biases} weights, " + (
            f"{biases} biases (rings)" if biases else "no bias"
        )
    found = sum(int((mask[name] & value).sum()) for name, value in ticket.items())
    return f"keeps {mask.kept} parameters, and finds {found} of the ticket's {ticket.kept}"


def _edges(network: PerceptronSpec, ticket: Mask, mask: Mask | None) -> list[dict[str, Any]]:
    """Returns every weight that the ticket or the mask keeps, with its ends and what it is."""
    drawn = []
    connected = None if mask is None else network.connected(mask)
    for layer in network.layers:
        name = weight_name(layer)
        kept = ticket[name] if mask is None else ticket[name] | mask[name]
        for end, start in _places(kept.nonzero()):
            kind = "ticket"
            if mask is not None and connected is not None:
                is_kept = bool(mask[name][end, start])
                kind = "found" if is_kept else "missed"
                if not ticket[name][end, start]:
                    on_path = bool(connected[name][end, start])
                    kind = "kept besides, " + ("on a path" if on_path else "leads nowhere")
            drawn.append(
                {
                    "x": layer,
                    "y": _height(network, layer, start),
                    "x2": layer + 1,
                    "y2": _height(network, layer + 1, end),
                    "edge": kind,
                }
            )
    return drawn


def _units(network: PerceptronSpec, ticket: Mask) -> list[dict[str, Any]]:
    drawn = []
    for column, width in enumerate(network.widths):
        reads = set()
        if column < network.depth - 1:
            reads = {start for _, start in _places(ticket[weight_name(column)].nonzero())}
        for unit in range(width):
            writes = column > 0 and bool(ticket[weight_name(column - 1)][unit].any())
            bias = column > 0 and bool(ticket[bias_name(column - 1)][unit])
            drawn.append(
                {
                    "x": column,
                    "y": _height(network, column, unit),
                    "used": unit in reads or writes or bias,
                    "bias": bias,
                }
            )
    return drawn


def _places(found: Any) -> Iterable[tuple[int, int]]:
    return ((int(end), int(start)) for end, start in found)


def _height(network: PerceptronSpec, column: int, unit: int) -> float:
    return round((unit + 0.5) / network.widths[column], 5)

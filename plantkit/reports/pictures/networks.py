"""A network as columns of units or channels, with the ticket's weights, and a mask's over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from plantkit.networks import Network, bias_name, weight_name
from plantkit.networks.layouts import column_names, has_channels
from plantkit.networks.masks import Mask
from plantkit.networks.wiring import Link
from plantkit.reports.pictures import BLUE, GREEN, GREY, INK, ORANGE, load_altair

if TYPE_CHECKING:
    from altair import LayerChart

_HEIGHT = 360
_SHORTCUT_DASH, _PROJECTION_DASH = [1, 3], [5, 3]

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
    network: Network, ticket: Mask, mask: Mask | None = None, *, title: str = ""
) -> LayerChart:
    """Returns a picture of a ticket in its network, layers from left to right.

    Every unit is a dot, dark where the ticket reads or sets it, with a ring where the ticket has
    its bias. Of a network on images dots are channels, an edge stands for the entries of a kernel
    and is thicker for more of them, dotted lines are shortcuts, and dashed ones their 1x1 kernels,
    as the picture says. With a `mask` the edges say
    what it found of the ticket, what it missed, and what it keeps besides: on a path of kept
    weights from an input to an output, or leading nowhere.

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
    columns = network.wiring.columns
    position = {
        "x": alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.15, len(columns) - 0.85])),
        "y": alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, 1], reverse=True)),
    }
    ends = {**position, "x2": "x2:Q", "y2": "y2:Q"}
    shortcuts = (
        alt.Chart({"values": _shortcuts(network, ticket, mask)})
        .mark_rule(color=GREY, strokeWidth=0.8, strokeDash=_SHORTCUT_DASH, aria=False)
        .encode(**ends)
    )
    skipping = {
        "strokeDash": alt.condition(
            "datum.x2 - datum.x > 1", alt.value(_PROJECTION_DASH), alt.value([1, 0])
        )
    }
    lines = []
    for kind in kinds:
        _, width, opacity = EDGES[kind]
        mine = [edge for edge in edges if edge["edge"] == kind]
        crowd = min(3.0, max(1.0, (len(mine) / 300) ** 0.5))  # many lines: finer ones
        lines.append(
            alt.Chart({"values": mine})
            .mark_rule(opacity=opacity / crowd, aria=False)
            .encode(
                **ends,
                **(skipping if _projections(network) else {}),
                strokeWidth=alt.StrokeWidth(
                    "entries:Q",
                    legend=None,
                    scale=alt.Scale(
                        domain=[1, 9], range=[width / crowd, 3 * width / crowd], clamp=True
                    ),
                ),
                color=alt.Color(
                    "edge:N",
                    scale=alt.Scale(domain=kinds, range=[EDGES[kind][0] for kind in kinds]),
                    legend=alt.Legend(orient="bottom", title=None, symbolOpacity=1)
                    if mask is not None
                    else None,
                ),
            )
        )
    units = _units(network, ticket)
    dots = [
        alt.Chart({"values": [unit for unit in units if unit["used"] is used]})
        .mark_circle(color=INK if used else GREY, size=14 if used else 5, opacity=1, aria=False)
        .encode(**position)
        for used in (False, True)
    ]
    rings = (
        alt.Chart({"values": [unit for unit in units if unit["bias"]]})
        .mark_point(color=INK, size=40, strokeWidth=1.2, aria=False)
        .encode(**position)
    )
    names = enumerate(column_names(network))
    heads = (
        alt.Chart({"values": [{"x": x, "y": 0, "name": name} for x, name in names]})
        .mark_text(dy=-8, color=INK, aria=False)
        .encode(**position, text="name:N")
    )
    subtitle = [_subtitle(ticket, mask), *_line_words(network)]
    chart: LayerChart = (
        alt.layer(shortcuts, *lines, *dots, rings, heads)
        .resolve_scale(strokeWidth="independent")
        .properties(
            width=(130 if len(columns) < 9 else 80) * (len(columns) - 1),
            height=_HEIGHT,
            view=alt.ViewConfig(stroke=None),
            title=alt.Title(
                title, subtitle=subtitle if len(subtitle) > 1 else subtitle[0], offset=16
            ),
            description=f"{title}: {'; '.join(subtitle)}",
        )
    )
    return chart


def _line_words(network: Network) -> list[str]:
    """Returns a line that says how the lines of a network on images are to be read."""
    if not has_channels(network):
        return []
    words = ["thicker: more entries of the kernel"]
    if network.wiring.shortcuts:
        words.append("dotted: shortcut")
    if _projections(network):
        words.append("dashed: shortcut with a 1x1 kernel")
    return [", ".join(words)]


def _projections(network: Network) -> list[Link]:
    """Returns the layers that lie beside others, from a column to one that is not the next."""
    return [link for link in network.wiring.links if link.target != link.source + 1]


def _subtitle(ticket: Mask, mask: Mask | None) -> str:
    if mask is None:
        biases = sum(int(value.sum()) for name, value in ticket.items() if name.endswith("bias"))
        return f"{ticket.kept} of {ticket.total:,} parameters: {ticket.kept - biases} weights, " + (
            f"{biases} biases (rings)" if biases else "no bias"
        )
    found = sum(int((mask[name] & value).sum()) for name, value in ticket.items())
    return f"keeps {mask.kept} parameters, and finds {found} of the ticket's {ticket.kept}"


def _edges(network: Network, ticket: Mask, mask: Mask | None) -> list[dict[str, Any]]:
    """Returns every pair of channels that kept weights join: its ends, what these are, how many."""
    drawn = []
    connected = None if mask is None else network.connected(mask)
    wiring = network.wiring
    for layer, link in enumerate(wiring.links):
        name = weight_name(layer)
        kinds = {"ticket": ticket[name]}
        if mask is not None and connected is not None:
            besides = mask[name] & ~ticket[name]
            kinds = {
                "found": mask[name] & ticket[name],
                "missed": ticket[name] & ~mask[name],
                "kept besides, on a path": besides & connected[name],
                "kept besides, leads nowhere": besides & ~connected[name],
            }
        for kind, entries in kinds.items():
            counts = entries.reshape(wiring.grid(layer)).sum(dim=2)
            for end, start in counts.nonzero().tolist():
                drawn.append(
                    {
                        **_ends(network, (link.source, start), (link.target, end)),
                        "edge": kind,
                        "entries": int(counts[end, start]),
                    }
                )
    return drawn


def _touched(network: Network, mask: Mask) -> list[Tensor]:
    """Returns which channels of each column kept weights read or write, or a kept bias sets."""
    wiring = network.wiring
    found = [torch.zeros(count, dtype=torch.bool) for count in wiring.columns]
    for layer, link in enumerate(wiring.links):
        joined = mask[weight_name(layer)].reshape(wiring.grid(layer)).any(dim=2)
        found[link.target] |= joined.any(dim=1)
        found[link.source] |= joined.any(dim=0)
        if bias_name(layer) in mask:
            found[link.target] |= mask[bias_name(layer)]
    return found


def _units(network: Network, ticket: Mask) -> list[dict[str, Any]]:
    biases = [torch.zeros(count, dtype=torch.bool) for count in network.wiring.columns]
    for layer, link in enumerate(network.wiring.links):
        if bias_name(layer) in ticket:
            biases[link.target] |= ticket[bias_name(layer)]
    return [
        {
            "x": column,
            "y": _height(network, column, channel),
            "used": used,
            "bias": bool(biases[column][channel]),
        }
        for column, touched in enumerate(_touched(network, ticket))
        for channel, used in enumerate(touched.tolist())
    ]


def _shortcuts(network: Network, ticket: Mask, mask: Mask | None) -> list[dict[str, Any]]:
    """Returns the shortcuts of the channels that the ticket or the mask touches."""
    touched = _touched(network, ticket)
    if mask is not None:
        pairs = zip(touched, _touched(network, mask), strict=True)
        touched = [one | other for one, other in pairs]
    return [
        _ends(network, (start, channel), (end, channel))
        for start, end in network.wiring.shortcuts
        for channel in (touched[start] | touched[end]).nonzero().flatten().tolist()
    ]


def _ends(network: Network, start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    """Returns where a line begins and ends, each a column and a channel."""
    return {
        "x": start[0],
        "y": _height(network, *start),
        "x2": end[0],
        "y2": _height(network, *end),
    }


def _height(network: Network, column: int, channel: int) -> float:
    return round((channel + 0.5) / network.wiring.columns[column], 5)

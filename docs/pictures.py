"""Draws the pictures of the documentation:  python docs/pictures.py

The masks drawn are those that the reference pruners give, and the histograms are of networks
planted here and now; nothing is drawn by hand.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from plantkit import Mask, PerceptronSpec
from plantkit.challenges import bundles
from plantkit.networks import weight_name
from plantkit.planting import METHODS, find_family
from plantkit.planting.initialization import standard_deviations
from plantkit.plugins import load_installed

Values = NDArray[np.float64]
HERE = Path(__file__).parent
TICKET, USEFUL, WASTED = "#b9c0c7", "#1f6fb4", "#e8891c"


def edges(spec: PerceptronSpec, mask: Mask) -> list[tuple[int, int, int]]:
    """Returns (layer, from, to) of every kept weight."""
    return [
        (layer, int(start), int(end))
        for layer in spec.layers
        for end, start in mask[weight_name(layer)].nonzero()
    ]


def on_paths(spec: PerceptronSpec, kept: list[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    """Returns those kept weights that lie on a path from an input to an output."""
    forward = {(0, unit) for unit in range(spec.inputs)}
    for layer, start, end in kept:
        if (layer, start) in forward:
            forward.add((layer + 1, end))
    backward = {(spec.depth - 1, unit) for unit in range(spec.outputs)}
    for layer, start, end in reversed(kept):
        if (layer + 1, end) in backward:
            backward.add((layer, start))
    return {edge for edge in kept if edge[:2] in forward and (edge[0] + 1, edge[2]) in backward}


def draw(axes: Axes, spec: PerceptronSpec, ticket: Mask, mask: Mask, title: str) -> None:
    """Draws the ticket's weights and those that `mask` keeps, layers from left to right."""

    def line(edge: tuple[int, int, int]) -> list[tuple[float, float]]:
        layer, start, end = edge
        return [(layer, height(layer, start)), (layer + 1, height(layer + 1, end))]

    def height(layer: int, unit: int) -> float:
        return (unit + 0.5) / spec.widths[layer]

    kept = edges(spec, mask)
    useful = on_paths(spec, kept)
    for chosen, color, width in (
        (edges(spec, ticket), TICKET, 0.9),
        ([edge for edge in kept if edge not in useful], WASTED, 0.7),
        (sorted(useful), USEFUL, 1.0),
    ):
        axes.add_collection(LineCollection([line(e) for e in chosen], colors=color, lw=width))
    for layer, width in enumerate(spec.widths):
        heights = [height(layer, unit) for unit in range(width)]
        axes.plot([layer] * width, heights, "o", color="#333333", ms=1.6 if width > 20 else 5)
    shared = sum(int((mask[name] & ticket[name]).sum()) for name in ticket)
    axes.set_title(f"{title}: {shared} of {ticket.kept} found", fontsize=11)
    axes.set_axis_off()


def entries(family: str, method: str, count: int, kind: str) -> tuple[Values, Values]:
    """Returns ticket entries and the others of `count` plantings, in initial deviations."""
    found = find_family(family)
    spec = PerceptronSpec.uniform(depth=5, width=100, inputs=found.inputs, outputs=found.outputs)
    deviations = standard_deviations(spec)
    inside, outside = [], []
    for number in range(count):
        planted = METHODS[method].plant(found, spec, seed=b"picture%d" % number)
        for name, value in planted.parameters.items():
            if name.endswith(kind) and planted.ticket[name].any():
                inside.append(value[planted.ticket[name]] / deviations[name])
                outside.append(value[~planted.ticket[name]] / deviations[name])
    return np.concatenate(inside), np.concatenate(outside)


def draw_plantings() -> None:
    """Draws histograms of what is in the ticket against what is not, per planting."""
    plantings = (("circle", "faithful"), ("circle", "anchored"), ("helix", "faithful"))
    plantings += (("helix", "anchored"), ("teacher", "selected"))
    figure, rows = plt.subplots(
        len(plantings), 2, figsize=(8, 2.1 * len(plantings)), constrained_layout=True
    )
    for row, (family, method) in zip(rows, plantings, strict=True):
        for axes, kind in zip(row, ("weight", "bias"), strict=True):
            inside, outside = entries(family, method, 6, kind)
            options = {"bins": np.linspace(-3, 3, 41), "density": True}
            axes.hist(outside, color=TICKET, label="outside of the ticket", **options)
            axes.hist(inside, histtype="step", color=WASTED, label="ticket", **options)
            axes.set_title(f"{family}, {method}: {kind}, {inside.size} ticket entries", fontsize=9)
            axes.set_ylim(0, 0.9)
            axes.tick_params(labelsize=7)
    handles, labels = rows[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(HERE / "images" / "planting.svg", metadata={"Date": None})


def main() -> None:
    mpl.rcParams["svg.hashsalt"] = "plantkit"
    torch.set_num_threads(1)
    draw_plantings()
    challenge = bundles.load(HERE.parent / "challenges" / "circle-5x100")
    pruners = {entry.name: entry.pruner for entry in load_installed().pruners()}
    figure, panels = plt.subplots(1, 2, figsize=(10, 5), constrained_layout=True)
    for axes, name in zip(panels, ("magnitude", "synflow"), strict=True):
        density = challenge.planted_density
        problem = challenge.problem(density=density, seed=0)
        mask = Mask(pruners[name].prune(problem, density, seed=0))
        draw(axes, challenge.network, challenge.truth.ticket, mask, name)
    labels = ("ticket", "kept, on a path", "kept, leads nowhere")
    handles = [Line2D([], [], color=color, lw=2) for color in (TICKET, USEFUL, WASTED)]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(HERE / "circle-kept.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()

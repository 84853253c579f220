"""Draws the pictures of the documentation:  python docs/pictures.py

The masks drawn are those that the reference pruners give, and the histograms are of networks
planted here and now; nothing is drawn by hand.
"""

from __future__ import annotations

from pathlib import Path

import altair
import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray

import plantkit as pk
from plantkit import PerceptronSpec
from plantkit.planting import FAMILIES, IMAGES, METHODS, find_family
from plantkit.planting.initialization import standard_deviations
from plantkit.reports.pictures import save_picture

Values = NDArray[np.float64]
HERE = Path(__file__).parent
TICKET, WASTED = "#b9c0c7", "#e8891c"


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


def example_of(family: str) -> str:
    """Returns the challenge that stands for a family on its page."""
    known = pk.list_challenges()
    return next(name for name in (f"{family}-5x100", f"{family}-5x50") if name in known)


def draw_families() -> None:
    """Draws a challenge of every family, with its ticket."""
    for family in FAMILIES:
        if family in IMAGES:
            continue
        challenge = pk.load_challenge(example_of(family))
        chart = pk.draw_challenge(challenge, challenge.truth.ticket)
        save_picture(chart, HERE / "images" / f"{family}.svg")


def draw_kept() -> None:
    """Draws what two pruners keep of a network at the planted density, over its ticket."""
    challenge = pk.load_challenge("circle-5x100")
    density = challenge.planted_density
    panels = []
    for name in ("magnitude", "synflow"):
        problem = challenge.problem(density=density, seed=0)
        mask = pk.Mask(pk.load_pruner(name).prune(problem, density, seed=0))
        panels.append(pk.draw_network(challenge.network, challenge.truth.ticket, mask, title=name))
    save_picture(altair.hconcat(*panels, background="white"), HERE / "images" / "circle-kept.svg")


def main() -> None:
    mpl.rcParams["svg.hashsalt"] = "plantkit"
    torch.set_num_threads(1)
    draw_plantings()
    draw_families()
    draw_kept()


if __name__ == "__main__":
    main()

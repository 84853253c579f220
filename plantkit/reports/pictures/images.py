"""Images of a challenge as squares of pixels, some of every class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plantkit.networks.training import Samples

if TYPE_CHECKING:
    from altair import Chart

#: Images of a class, and pixels of all of them: a picture with more is slow to open.
OF_A_CLASS, MOST_PIXELS = 6, 16_000
#: Rows of a picture.
MOST_CLASSES = 100
_SIDE = 44


def draw_images(alt: Any, samples: Samples, image: tuple[int, int, int]) -> tuple[Chart, int]:
    """Returns the first images of every class, a row each, and how many these are.

    Where one image of each would be more than `MOST_PIXELS`, blocks of pixels become one, their
    mean, and of very many classes only the first are drawn.

    Args:
        samples: inputs (n, channels * height * width), and classes.
        image: (channels, height, width). Three channels are red, green and blue; of others the
            mean is drawn. The darkest pixel of all is black, the brightest white.
    """
    classes = samples.targets.numpy()
    names = np.unique(classes)[:MOST_CLASSES]
    block = 1
    while (size := len(names) * -(-image[1] // block) * -(-image[2] // block)) > MOST_PIXELS:
        block += 1
    each = max(1, min(OF_A_CLASS, MOST_PIXELS // size))
    chosen = [np.flatnonzero(classes == name)[:each] for name in names]
    pixels = samples.inputs.numpy().reshape(-1, *image)
    drawn = _coarser(pixels[np.concatenate(chosen)], block)
    low, span = float(drawn.min()), float(np.ptp(drawn)) or 1.0
    places = [
        (place, column) for place, members in enumerate(chosen) for column in range(len(members))
    ]
    rows = [
        row
        for (place, column), one in zip(places, drawn, strict=True)
        for row in _squares((one - low) / span, place, column)
    ]
    base = alt.Chart({"values": rows}).mark_rect(aria=False)
    chart: Chart = base.encode(
        x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, each], nice=False)),
        x2="x2:Q",
        y=alt.Y(
            "y:Q",
            title="class",
            scale=alt.Scale(domain=[0, len(names)], reverse=True, nice=False),
            axis=alt.Axis(
                values=[place + 0.5 for place in range(len(names))],
                labelExpr=f"{names.tolist()}[floor(datum.value)]",
                grid=False,
                ticks=False,
                domain=False,
            ),
        ),
        y2="y2:Q",
        color=alt.Color("colour:N", scale=None),
    ).properties(width=_SIDE * each, height=_SIDE * len(names))
    return chart, sum(map(len, chosen))


def _coarser(pixels: NDArray[Any], block: int) -> NDArray[Any]:
    """Returns images (n, channels, height, width) with the means of blocks in place of pixels."""
    for axis in (2, 3):
        size = pixels.shape[axis]
        starts = np.arange(0, size, block)
        sums = np.add.reduceat(pixels, starts, axis=axis)
        counts = np.minimum(starts + block, size) - starts
        pixels = sums / counts.reshape((-1, 1) if axis == 2 else (-1,))
    return pixels


def _squares(pixels: NDArray[Any], row: int, column: int) -> list[dict[str, Any]]:
    """Returns the pixels (channels, height, width) in [0, 1] of one image as coloured squares.

    Images are 0.92 wide and high, so that they stand apart.
    """
    shades = pixels if len(pixels) == 3 else np.repeat(pixels.mean(axis=0, keepdims=True), 3, 0)
    levels = np.round(255 * shades).astype(int)
    height, width = levels.shape[1:]
    return [
        {
            "x": round(column + 0.04 + 0.92 * across / width, 5),
            "x2": round(column + 0.04 + 0.92 * (across + 1) / width, 5),
            "y": round(row + 0.04 + 0.92 * down / height, 5),
            "y2": round(row + 0.04 + 0.92 * (down + 1) / height, 5),
            "colour": "#{:02x}{:02x}{:02x}".format(*levels[:, down, across]),
        }
        for down in range(height)
        for across in range(width)
    ]

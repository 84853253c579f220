"""Which channels every layer of a network joins: what audits and pictures go by, whatever the kind.

A *column* is what lies between layers: the inputs, the outputs, and what layers read and write in
between. It has channels, which are the units of a perceptron. A weight is seen as (out, in, taps):
`taps` entries join each pair of channels, such as the 9 of a 3x3 kernel, or the pixels of a channel
where a linear layer reads images. Columns that a shortcut adds up channel by channel are one
*stream*: a channel's value is carried along in it, whatever a mask keeps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from plantkit.networks.steps import Placed, Shortcut


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a layer joins: the column that it reads, the one that it writes, and how.

    taps: entries of its weight for each pair of channels.
    """

    source: int
    target: int
    taps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The columns of a network, in the order in which they are computed, and what joins them.

    columns: channels of every column, from the inputs to the outputs.
    links: of every layer of parameters, in their order.
    values: the column of every value of a network of steps, from the image to the outputs.
    shortcuts: pairs of columns; the first is added to the second, channel by channel.
    """

    columns: tuple[int, ...]
    links: tuple[Link, ...]
    values: tuple[int, ...] = ()
    shortcuts: tuple[tuple[int, int], ...] = ()

    @property
    def streams(self) -> tuple[int, ...]:
        """The stream of every column: the number of the first column in it."""
        streams = list(range(len(self.columns)))
        for start, end in self.shortcuts:
            joined = {streams[start], streams[end]}
            first = min(joined)
            streams = [first if stream in joined else stream for stream in streams]
        return tuple(streams)

    @property
    def channels(self) -> dict[int, int]:
        """Stream to its number of channels, in the order of the columns."""
        return dict(zip(self.streams, self.columns, strict=True))

    def grid(self, layer: int) -> tuple[int, int, int]:
        """Returns the shape (out, in, taps) of a layer's weight."""
        link = self.links[layer]
        return self.columns[link.target], self.columns[link.source], link.taps

    def writers(self, stream: int) -> list[int]:
        """Returns the layers that write into a column of the stream."""
        return [i for i, link in enumerate(self.links) if self.streams[link.target] == stream]

    def readers(self, stream: int) -> list[int]:
        """Returns the layers that read a column of the stream."""
        return [i for i, link in enumerate(self.links) if self.streams[link.source] == stream]


def chain(weights: Iterable[tuple[int, ...]]) -> Wiring:
    """Returns the wiring of layers that each read the one before; shapes are (out, in, ...)."""
    columns: list[int] = []
    links: list[Link] = []
    for layer, shape in enumerate(weights):
        if not columns:
            columns.append(shape[1])
        links.append(Link(source=layer, target=layer + 1, taps=math.prod(shape[1:]) // columns[-1]))
        columns.append(shape[0])
    return Wiring(columns=tuple(columns), links=tuple(links))


def of_plan(plan: Sequence[Placed]) -> Wiring:
    """Returns the wiring of steps: each layer makes a column, and shortcuts add to one.

    Where two layers are added up, both write the same column.
    """
    columns = [plan[0].given[0]]
    column_of = [0]  # by value
    links: list[Link] = []
    shortcuts: list[tuple[int, int]] = []
    reads = Counter(source for placed in plan for source in placed.reads)

    def is_fresh(value: int) -> bool:
        """Whether a layer makes the value, and nothing but the shortcut reads it."""
        return value > 0 and plan[value - 1].layer is not None and reads[value] == 1

    for placed in plan:
        column = column_of[placed.reads[0]]
        if placed.layer is not None:
            taps = math.prod(placed.shape[1:]) // columns[column]
            links.append(Link(source=column, target=len(columns), taps=taps))
            columns.append(placed.size[0])
            column = len(columns) - 1
        elif isinstance(placed.step, Shortcut):
            early, late = sorted(placed.reads, key=lambda value: column_of[value])
            start, column = column_of[early], column_of[late]
            if is_fresh(early) and is_fresh(late) and column == len(columns) - 1:
                links[-1] = replace(links[-1], target=start)
                columns.pop()
                column = column_of[late] = start
            elif is_fresh(late):
                shortcuts.append((start, column))
            else:
                shortcuts += [(start, len(columns)), (column, len(columns))]
                columns.append(placed.size[0])
                column = len(columns) - 1
        column_of.append(column)
    return Wiring(
        columns=tuple(columns),
        links=tuple(links),
        values=tuple(column_of),
        shortcuts=tuple(shortcuts),
    )

"""The steps that a network on images is made of, and the sizes of what they make.

Each step makes one value. Value 0 is the image, value i is what step i makes, from 1. A step
reads the value before its own unless its `source` names an earlier one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

#: (channels, height, width), or (units,) of a flat value.
Size = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(ABC):
    """What one value is made from. source: the number of the value that it reads."""

    source: int | None = None

    @abstractmethod
    def size(self, given: Size) -> Size:
        """Returns the size of what it makes of a value of size `given`.

        Raises:
            ValueError: it cannot take such a value; the message says why.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution(Step):
    """A convolution with a square kernel. padding: rows and columns of zeros on every side."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    normalised: bool = False

    def size(self, given: Size) -> Size:
        return (self.channels, *_windows(self, given, f"a {self.kernel}x{self.kernel} kernel"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling(Step):
    """The largest number of every window, or the mean. Windows that do not fit are left out."""

    kernel: int
    stride: int
    padding: int = 0
    takes_mean: bool = False

    def size(self, given: Size) -> Size:
        return (given[0], *_windows(self, given, f"{self.kernel}x{self.kernel} pooling"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectifier(Step):
    """ReLU."""

    def size(self, given: Size) -> Size:
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut(Step):
    """Adds the earlier value `added`, of as many channels and pixels, to the one that it reads."""

    added: int

    def size(self, given: Size) -> Size:
        if len(given) != 3:
            raise ValueError(f"a shortcut needs channels of pixels; got {given[0]} units")
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Step):
    """All numbers, channel by channel and row by row."""

    def size(self, given: Size) -> Size:
        return (math.prod(given),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalMean(Step):
    """The mean of every channel: global average pooling."""

    def size(self, given: Size) -> Size:
        return given[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Step):
    """A linear layer of a flat value."""

    units: int

    def size(self, given: Size) -> Size:
        if len(given) != 1:
            raise ValueError(f"a linear layer needs a flat value; got one of size {given}")
        return (self.units,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A step in its network.

    Attributes:
        reads: numbers of the values that it reads.
        given: the size of the first of them.
        size: the size of what it makes.
        layer: the index of its parameters, if it has any.
        unread: numbers of the values that no later step reads.
    """

    step: Step
    reads: tuple[int, ...]
    given: Size
    size: Size
    layer: int | None
    unread: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its weight, outputs first; empty without parameters."""
        if isinstance(self.step, Convolution):
            return (self.size[0], self.given[0], self.step.kernel, self.step.kernel)
        return (self.size[0], self.given[0]) if isinstance(self.step, Linear) else ()


def placed(image: Size, steps: Sequence[Step]) -> tuple[Placed, ...]:
    """Returns the steps of a network on images of size `image`, each in its place.

    Raises:
        ValueError: a step that cannot take what it reads.
    """
    sizes = [image]
    reads: list[tuple[int, ...]] = []
    for number, step in enumerate(steps, start=1):
        sources: tuple[int, ...] = (number - 1 if step.source is None else step.source,)
        if isinstance(step, Shortcut):
            sources = (*sources, step.added)
        if not all(0 <= source < number for source in sources):
            raise ValueError(f"step {number} reads values {sources}; expected 0 to {number - 1}")
        if len({sizes[source] for source in sources}) > 1:
            raise ValueError(
                f"step {number} adds values of sizes {[sizes[source] for source in sources]}; "
                "expected equal ones"
            )
        reads.append(sources)
        try:
            sizes.append(step.size(sizes[sources[0]]))
        except ValueError as error:
            raise ValueError(
                f"images of {' x '.join(map(str, image))} do not go through the network: "
                f"step {number}, {error}"
            ) from None
    last = {source: number for number, sources in enumerate(reads) for source in sources}
    found: list[Placed] = []
    layers = 0
    for number, (step, read) in enumerate(zip(steps, reads, strict=True)):
        has_layer = isinstance(step, Convolution | Linear)
        found.append(
            Placed(
                step=step,
                reads=read,
                given=sizes[read[0]],
                size=sizes[number + 1],
                layer=layers if has_layer else None,
                unread=tuple({source for source in read if last[source] == number}),
            )
        )
        layers += has_layer
    return tuple(found)


def _windows(step: Convolution | Pooling, given: Size, what: str) -> tuple[int, int]:
    """Returns how many windows fit into the rows and the columns of a value."""
    if len(given) != 3:
        raise ValueError(f"{what} needs channels of pixels; got a flat value of {given[0]} units")
    rows, columns = (
        (size + 2 * step.padding - step.kernel) // step.stride + 1 for size in given[1:]
    )
    if min(rows, columns) < 1:
        raise ValueError(
            f"{what} does not fit into {given[1]}x{given[2]} pixels"
            + (f" with {step.padding} of padding" if step.padding else "")
        )
    return rows, columns

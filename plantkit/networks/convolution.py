"""Convolutional networks: blocks of convolutions, then linear layers.

Every convolution has a ReLU after it, and every block ends with a pooling. Linear layers have
ReLU between them and none after the last. Parameters are `layers.{i}.weight`, (out, in, kernel,
kernel) of a convolution and (out, in) of a linear layer, and `layers.{i}.bias` (out).
`plantkit.networks.graph` says what batch normalisation does.

References:
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (LeNet-5), 1998.
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", arXiv 1409.1556; as small as the Conv-2 to Conv-6 of arXiv 1803.03635.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from plantkit.networks.graph import ImageNetwork, rows_of_sizes
from plantkit.networks.steps import (
    Convolution,
    Flatten,
    GlobalMean,
    Linear,
    Pooling,
    Rectifier,
    Step,
)


class BlockEnd(enum.StrEnum):
    """What ends a block: a 2x2 pooling of stride 2, or nothing.

    A pooling drops an odd last row or column.
    """

    MAX = "max"
    AVERAGE = "average"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"pooling is {value!r}; expected one of {', '.join(cls)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionSpec(ImageNetwork):
    """The shape of a convolutional network on images.

    Attributes:
        blocks: the output channels of every convolution, block by block.
        hidden: widths of the linear layers before the last one; may be empty.
        kernel: height and width of every kernel.
        padding: rows and columns of zeros on every side of each convolution's input; fewer than
            the kernel has.
        stride: of the first convolution of every block; the others have 1.
        pooling: what ends a block: "max", "average" or "none".
        global_pooling: whether the linear layers get each channel's mean instead of all its
            pixels. It takes the place of the last block's pooling.
        normalised: whether every convolution is batch-normalised.
    """

    kind: ClassVar[str] = "convolution"

    blocks: tuple[tuple[int, ...], ...]
    hidden: tuple[int, ...] = ()
    kernel: int = 3
    padding: int = 1
    stride: int = 1
    pooling: str = BlockEnd.MAX
    global_pooling: bool = False
    normalised: bool = False

    def __post_init__(self) -> None:
        ImageNetwork.__post_init__(self)
        blocks = rows_of_sizes(self.blocks)
        if not blocks or not all(blocks):
            raise ValueError(
                f"blocks are {self.blocks!r}; expected one or more lists of channels, each of at "
                "least one convolution"
            )
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "hidden", tuple(int(size) for size in self.hidden))
        object.__setattr__(self, "pooling", str(BlockEnd(self.pooling)))
        sizes = (*itertools.chain(*blocks), *self.hidden, self.kernel, self.stride)
        if min(sizes) < 1 or self.padding < 0:
            raise ValueError(
                f"sizes must be positive; got blocks {blocks}, hidden {self.hidden}, kernel "
                f"{self.kernel}, stride {self.stride} and padding {self.padding}"
            )
        if self.padding >= self.kernel:
            raise ValueError(
                f"padding is {self.padding}; expected less than the kernel's {self.kernel}, or "
                "some outputs see zeros only"
            )
        _ = self.plan  # raises where the image is too small

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps())

    def _steps(self) -> Iterator[Step]:
        for number, block in enumerate(self.blocks, start=1):
            for position, channels in enumerate(block):
                yield Convolution(
                    channels=channels,
                    kernel=self.kernel,
                    stride=1 if position else self.stride,
                    padding=self.padding,
                    normalised=self.normalised,
                )
                yield Rectifier()
            is_last = number == len(self.blocks)
            if self.pooling != BlockEnd.NONE and not (is_last and self.global_pooling):
                yield Pooling(kernel=2, stride=2, takes_mean=self.pooling == BlockEnd.AVERAGE)
        yield GlobalMean() if self.global_pooling else Flatten()
        for width in self.hidden:
            yield Linear(units=width)
            yield Rectifier()
        yield Linear(units=self.outputs)

    @property
    def label(self) -> str:
        """Channels, a `p` for every pooling, then linear widths: `8-8-p-16-16-p-32-10`.

        A mean is an `a`; what else differs from 3x3 kernels, stride 1 and padding 1 follows.
        """
        mark = {BlockEnd.MAX: ["p"], BlockEnd.AVERAGE: ["a"], BlockEnd.NONE: []}
        names: list[str] = []
        for block in self.blocks:
            names += [*map(str, block), *mark[BlockEnd(self.pooling)]]
        if self.global_pooling:
            names = [*names[: len(names) - len(mark[BlockEnd(self.pooling)])], "a"]
        label = "-".join([*names, *map(str, self.hidden), str(self.outputs)])
        extras = [
            f"{self.kernel}x{self.kernel}" if self.kernel != 3 else "",
            f"stride {self.stride}" if self.stride != 1 else "",
            f"padding {self.padding}" if self.padding != 1 else "",
            "normalised" if self.normalised else "",
        ]
        return " ".join([label, *filter(None, extras)])

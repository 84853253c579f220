"""Residual networks of basic blocks, as ResNet-18 and the ResNet-20 of CIFAR-10.

A first convolution, then stages of blocks: two 3x3 convolutions with a ReLU between them, added
to what the block is given, and a ReLU. Where a block changes the number of channels or of pixels,
its shortcut is a 1x1 convolution, else it is the identity. The mean of every channel goes into
one linear layer. Parameters are `layers.{i}.weight`, (out, in, kernel, kernel) or (out, in), and
`layers.{i}.bias` (out), in the order of the convolutions of each block: first, second, shortcut.
`plantkit.networks.graph` says what batch normalisation does.

References:
    He et al., "Deep Residual Learning for Image Recognition", arXiv 1512.03385, with its
    projection shortcuts (option B).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

from plantkit.networks.graph import ImageNetwork, rows_of_sizes
from plantkit.networks.steps import (
    Convolution,
    GlobalMean,
    Linear,
    Pooling,
    Rectifier,
    Shortcut,
    Step,
)

#: More blocks than a stage of any network has.
MOST_BLOCKS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualSpec(ImageNetwork):
    """The shape of a residual network on images.

    Attributes:
        stages: (channels, blocks, stride) of every stage; the stride is its first block's. At
            most 200 blocks.
        stem: channels of the first convolution; those of the first stage if 0.
        stem_kernel, stem_stride: of the first convolution, which is padded to keep its corners.
        stem_pooling: whether a 3x3 max pooling of stride 2 follows, as on large images.
        normalised: whether every convolution is batch-normalised.
    """

    kind: ClassVar[str] = "residual"

    stages: tuple[tuple[int, int, int], ...]
    stem: int = 0
    stem_kernel: int = 3
    stem_stride: int = 1
    stem_pooling: bool = False
    normalised: bool = True

    def __post_init__(self) -> None:
        ImageNetwork.__post_init__(self)
        stages = rows_of_sizes(self.stages)
        if not stages or any(len(stage) != 3 for stage in stages):
            raise ValueError(
                f"stages are {self.stages!r}; expected one or more of (channels, blocks, stride)"
            )
        if (most := max(blocks for _, blocks, _ in stages)) > MOST_BLOCKS:
            raise ValueError(f"a stage has {most} blocks; expected at most {MOST_BLOCKS}")
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "stem", int(self.stem) or stages[0][0])
        sizes = (*itertools.chain(*stages), self.stem, self.stem_kernel, self.stem_stride)
        if min(sizes) < 1:
            raise ValueError(
                f"sizes must be positive; got stages {stages} and a stem of {self.stem} channels, "
                f"kernel {self.stem_kernel} and stride {self.stem_stride}"
            )
        _ = self.plan  # raises where the image is too small

    @property
    def steps(self) -> tuple[Step, ...]:
        steps: list[Step] = [
            self._convolution(
                self.stem,
                kernel=self.stem_kernel,
                stride=self.stem_stride,
                padding=self.stem_kernel // 2,
            ),
            Rectifier(),
        ]
        if self.stem_pooling:
            steps.append(Pooling(kernel=3, stride=2, padding=1))
        given = self.stem
        for channels, blocks, stage_stride in self.stages:
            for block in range(blocks):
                stride = 1 if block else stage_stride
                start = len(steps)  # the number of the value that the block is given
                steps += [
                    self._convolution(channels, stride=stride),
                    Rectifier(),
                    self._convolution(channels),
                ]
                made = len(steps)
                if stride == 1 and given == channels:
                    steps.append(Shortcut(added=start))
                else:
                    projection = self._convolution(
                        channels, kernel=1, stride=stride, padding=0, source=start
                    )
                    steps += [projection, Shortcut(source=made, added=made + 1)]
                steps.append(Rectifier())
                given = channels
        return (*steps, GlobalMean(), Linear(units=self.outputs))

    def _convolution(
        self,
        channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int = 1,
        source: int | None = None,
    ) -> Convolution:
        return Convolution(
            channels=channels,
            kernel=kernel,
            stride=stride,
            padding=padding,
            normalised=self.normalised,
            source=source,
        )

    @property
    def label(self) -> str:
        """The stem, then channels x blocks of every stage, then outputs: `16-16x3-32x3-64x3-10`.

        A `p` is the pooling after the stem. What else differs from a 3x3 stem of stride 1, and
        from stride 1 in the first stage and 2 in the others, follows.
        """
        names = [f"{channels}x{blocks}" for channels, blocks, _ in self.stages]
        pool = ["p"] if self.stem_pooling else []
        label = "-".join([str(self.stem), *pool, *names, str(self.outputs)])
        strides = [stride for _, _, stride in self.stages]
        kernel, stem_stride = self.stem_kernel, self.stem_stride
        extras = [
            f"stem {kernel}x{kernel}" if kernel != 3 else "",
            f"stem stride {stem_stride}" if stem_stride != 1 else "",
            f"strides {'-'.join(map(str, strides))}"
            if strides != [1, *[2] * (len(strides) - 1)]
            else "",
            "normalised" if self.normalised else "",
        ]
        return " ".join([label, *filter(None, extras)])

"""A narrow network of the same steps, and where its channels lie in the wide one.

A shortcut adds channels of the same number, so channels are chosen for each *set* of them that
are one (`plantkit.networks.channels.spaces`): a residual stream has one choice, and one scale a
channel, in all of its layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plantkit.networks import bias_name, weight_name
from plantkit.networks.channels import spaces
from plantkit.networks.graph import CutNetwork, ImageNetwork
from plantkit.networks.steps import Convolution, Linear, Step
from plantkit.planting.images.balance import with_sums_of
from plantkit.planting.targets import Floats, Ticket

#: Fewest channels of a set in a narrow network, where the wide one has as many.
LEAST_CHANNELS = 8
#: Halvings of the interval in which the share of the channels is sought.
_HALVINGS = 20


def narrowed(spec: ImageNetwork, parameters: int) -> ImageNetwork:
    """Returns a network of the same steps with the same share of every set's channels.

    It has about so many parameters, and at most as many channels as `spec`. Inputs and outputs
    stay.
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        if _with_share(spec, share).total < parameters:
            low = share
        else:
            high = share
    return _with_share(spec, high)


def _with_share(spec: ImageNetwork, share: float) -> ImageNetwork:
    found = spaces(spec.plan)
    fixed = {0, found.of_value[-1]}

    def few(width: int) -> int:
        return min(width, max(LEAST_CHANNELS, round(share * width)))

    steps: list[Step] = []
    for placed in spec.plan:
        step = placed.step
        if placed.layer is not None and found.of_layer[placed.layer][1] not in fixed:
            if isinstance(step, Convolution):
                step = replace(step, channels=few(step.channels))
            elif isinstance(step, Linear):
                step = replace(step, units=few(step.units))
        steps.append(step)
    return CutNetwork(image=spec.image, outputs=spec.outputs, steps=tuple(steps))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """Which channels of a wide network the channels of a narrow one are.

    chosen: of each set, the wide network's channel for every one of the narrow network's.
    """

    narrow: ImageNetwork
    wide: ImageNetwork
    chosen: tuple[NDArray[np.intp], ...]

    @classmethod
    def draw(cls, narrow: ImageNetwork, wide: ImageNetwork, rng: np.random.Generator) -> Embedding:
        """Returns a random choice of different channels; inputs and outputs keep their places."""
        few, many = spaces(narrow.plan), spaces(wide.plan)
        fixed = {0, many.of_value[-1]}
        chosen = tuple(
            np.arange(width) if space in fixed else rng.permutation(width)[: few.widths[space]]
            for space, width in enumerate(many.widths)
        )
        return cls(narrow=narrow, wide=wide, chosen=chosen)

    def write(
        self, values: Mapping[str, Floats], kept: Ticket, into: Mapping[str, Floats]
    ) -> tuple[dict[str, Floats], Ticket]:
        """Returns a copy of `into` with the kept values in their places, and the ticket.

        Around them weights are changed a little; see `plantkit.planting.images.balance`.
        """
        written = {name: value.copy() for name, value in into.items()}
        ticket = {name: np.zeros(shape, dtype=bool) for name, shape in self.wide.shapes.items()}
        for name, place in self._places():
            written[name][place] = np.where(kept[name], values[name], written[name][place])
            ticket[name][place] = kept[name]
            if written[name].ndim > 1:
                written[name] = with_sums_of(into[name], written[name], ticket[name])
        return written, ticket

    def _places(self) -> Iterator[tuple[str, tuple[NDArray[np.intp], ...]]]:
        """Yields every parameter's name and the indices of the narrow network's entries."""
        widths = spaces(self.wide.plan).widths
        for layer, (read, written) in enumerate(spaces(self.wide.plan).of_layer):
            shape = self.wide.shapes[weight_name(layer)]
            sources, targets = self.chosen[read], self.chosen[written]
            if len(shape) == 2:  # a flat value has several numbers for each channel
                each = shape[1] // widths[read]
                sources = (sources[:, None] * each + np.arange(each)).reshape(-1)
            yield weight_name(layer), np.ix_(targets, sources)
            yield bias_name(layer), (targets,)

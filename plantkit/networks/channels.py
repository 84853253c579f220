"""The channels of a network on images: which are one, which are idle, and where they are kept."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks.idle import alive_first
from plantkit.networks.network import bias_name, weight_name
from plantkit.networks.steps import Convolution, Linear, Placed, Step
from plantkit.networks.wiring import of_plan

#: The least number of channels that a network is cut to. All are padded to multiples of it: then
#: many runs are computed as few are, to the last bit.
_LEAST_CHANNELS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Spaces:
    """The sets of channels of a network; a set's channels are the same in all of its values.

    A layer makes a new set, and a shortcut makes one set of those that it adds. Set 0 is the
    image's channels, the last one the outputs.

    Attributes:
        widths: how many channels each set has.
        of_value: the set that each value's channels are.
        of_layer: of each layer, the set that it reads and the one that it writes.
    """

    widths: tuple[int, ...]
    of_value: tuple[int, ...]
    of_layer: tuple[tuple[int, int], ...]


@functools.lru_cache(maxsize=256)
def spaces(plan: tuple[Placed, ...]) -> Spaces:
    """Returns the sets of channels of a network: the streams of its wiring, numbered."""
    wiring = of_plan(plan)
    first = sorted(wiring.channels)
    of_column = [first.index(stream) for stream in wiring.streams]
    return Spaces(
        widths=tuple(wiring.channels[stream] for stream in first),
        of_value=tuple(of_column[column] for column in wiring.values),
        of_layer=tuple((of_column[link.source], of_column[link.target]) for link in wiring.links),
    )


def alive_channels(plan: tuple[Placed, ...], masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the channels of each set that are not idle, (runs, width) bool.

    A channel is idle if at each of its values it is zero, since neither an input nor a kept
    bias leads to it, or no kept path leads from it to an output. Without idle channels the
    network has the same outputs and the same gradients, in training, too: batch normalisation
    leaves a channel of zeros as it is. All inputs and outputs are alive.

    Args:
        masks: name to (runs, *shape) bool.
    """
    runs = len(masks[weight_name(0)])
    found = spaces(plan)
    widths = [found.widths[space] for space in found.of_value]
    links = {
        placed.layer: _links(placed, masks, found.widths[found.of_layer[placed.layer][0]])
        for placed in plan
        if placed.layer is not None
    }
    reached = [torch.ones(runs, widths[0], dtype=torch.bool)]
    for placed in plan:
        value = reached[placed.reads[0]]
        if placed.layer is not None:
            fed = (links[placed.layer] & value.unsqueeze(1)).any(dim=2)
            value = fed | masks[bias_name(placed.layer)]
        for source in placed.reads[1:]:
            value = value | reached[source]
        reached.append(value)
    reaching = [torch.zeros(runs, width, dtype=torch.bool) for width in widths]
    reaching[-1] = torch.ones(runs, widths[-1], dtype=torch.bool)
    for number, placed in reversed(list(enumerate(plan, start=1))):
        value = reaching[number]
        if placed.layer is not None:
            value = (links[placed.layer] & value.unsqueeze(2)).any(dim=1)
        for source in placed.reads:
            reaching[source] = reaching[source] | value
    alive = [torch.zeros(runs, width, dtype=torch.bool) for width in found.widths]
    for space, above, below in zip(found.of_value, reached, reaching, strict=True):
        alive[space] |= above & below
    alive[0][:] = True
    alive[-1][:] = True
    return alive


def cut_steps(plan: tuple[Placed, ...], alive: Sequence[int]) -> tuple[Step, ...]:
    """Returns steps with room for so many channels in each set, inputs and outputs included.

    All sets are cut to one size, 8, 16, 32, ..., if they are larger, so that networks of few
    sizes come out of many masks.
    """
    found = spaces(plan)
    most = max(alive[1:-1], default=0)
    cap = max(_LEAST_CHANNELS, 1 << max(0, most - 1).bit_length())
    kept = {0, found.of_value[-1]}
    steps = []
    for placed in plan:
        step = placed.step
        if placed.layer is not None and found.of_layer[placed.layer][1] not in kept:
            if isinstance(step, Convolution):
                step = replace(step, channels=min(cap, _padded(step.channels)))
            elif isinstance(step, Linear):
                step = replace(step, units=min(cap, _padded(step.units)))
        steps.append(step)
    return tuple(steps)


def _padded(count: int) -> int:
    return count + -count % _LEAST_CHANNELS


def places(
    plan: tuple[Placed, ...],
    everything: Mapping[str, Tensor],
    alive: Sequence[Tensor],
    widths: Sequence[int],
    *,
    none: int,
) -> Tensor:
    """Returns where the parameters of the cut network lie: (runs, its total) int64.

    Args:
        everything: name to the numbers (*shape) of the parameters. none: the one for no
            parameter.
        alive: as from `alive_channels`. widths: of each set in the cut network.
    """
    units = [alive_first(each, width) for each, width in zip(alive, widths, strict=True)]
    found = spaces(plan)
    columns = []
    for layer, (read, written) in enumerate(found.of_layer):
        starts, ends = units[read], units[written]
        weight = everything[weight_name(layer)]
        weight = weight.reshape(len(weight), found.widths[read], -1)  # (out, channels, entries)
        # Index -1, for no channel, finds the row or column that is added at the end.
        weight = functional.pad(weight, (0, 0, 0, 1, 0, 1), value=none)
        bias = functional.pad(everything[bias_name(layer)], (0, 1), value=none)
        columns += [weight[ends.unsqueeze(2), starts.unsqueeze(1)].flatten(1), bias[ends]]
    return torch.cat(columns, dim=1)


def _links(placed: Placed, masks: Mapping[str, Tensor], channels: int) -> Tensor:
    """Returns which channels a layer's kept weights lead from and to: (runs, out, in) bool."""
    assert placed.layer is not None
    weight = masks[weight_name(placed.layer)]
    return weight.reshape(*weight.shape[:2], channels, -1).any(dim=3)

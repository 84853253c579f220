"""The part of a network that a step of `seek` looks at: what is alive, and units worth adding.

A unit that nothing reads has no derivative. So idle units are offered with a few inputs. Between
linear layers thousands of such units are computed, and those are offered that promise most: if f
are a unit's values, w the weight by which a unit of the next layer reads it, and p and q the first
and second derivatives of the loss by what that one computes, it promises Σ 2 p w f - (q w f)².
In other layers the inputs are random.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from plantkit import FrozenNetwork

Tensor = torch.Tensor

#: The fewest idle units that a step offers in each layer, and the most inputs of one.
IDLE, INPUTS = 4, 3
#: Idle units with inputs that are compared in each layer; with 0 inputs are random.
COMPARED = 2000


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the network: the units of a mask, and some idle ones with a few inputs.

    narrow: the network of these units. places: where its parameters lie. offered: (n,) bool, the
    inputs of idle units. extras: (n, INPUTS + 1), the inputs that come with a parameter; n
    stands for none.
    """

    narrow: FrozenNetwork
    places: Tensor
    offered: Tensor
    extras: Tensor


@dataclass(frozen=True, slots=True)
class Pulls:
    """What a linear layer reads (n, in), and derivatives (n, out) by what it computes: p and q."""

    given: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer, and how the next one reads its units.

    places: (units, inputs) of its weights, and bias of its biases. columns: (units, c), the
    columns of the next layer that read a unit, and readers (units, ...) the places of these.
    """

    name: str
    above: str
    places: Tensor
    bias: Tensor
    columns: Tensor
    readers: Tensor


def drawn(places: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Returns at most `most` of the places, at random."""
    return places[torch.randperm(len(places), generator=generator)[:most]]


def window_around(
    network: FrozenNetwork, mask: Tensor, pulls: Mapping[str, Pulls], generator: torch.Generator
) -> Window:
    """Returns the units that are alive and, where layers follow each other, some idle ones.

    mask: (total,) bool. pulls: of linear layers, by the names of their weights.
    """
    total = len(mask)
    around, offered, readers = mask.clone(), torch.zeros_like(mask), []
    layers = list(_layers(network))
    alive = []
    for layer in layers:
        fed = mask[layer.places].any(1)
        fed = fed | mask[layer.bias] if len(layer.bias) else fed
        alive.append(fed[: len(layer.readers)] & mask[layer.readers].any(1))
    # Networks are cut to 16, 32, 64, ... units: idle ones fill up what there is.
    most = max([int(each.sum()) for each in alive], default=0)
    room = 1 << (most + IDLE - 1).bit_length() if IDLE else 0
    sources = torch.arange(layers[0].places.shape[1]) if layers else torch.zeros(0)
    for layer, living in zip(layers, alive, strict=True):
        free = max(0, room - int(living.sum())) if len(sources) else 0
        # What is read although it is idle would change the outputs with its inputs.
        idle = (~mask[layer.readers].any(1)).nonzero().squeeze(1)
        if COMPARED and free and len(idle) and {layer.name, layer.above} <= pulls.keys():
            found = _promising(network, layer, idle, sources, free, pulls, generator)
        else:
            found = _random(layer, drawn(idle, free, generator), sources, generator)
        for unit, inputs in found:
            around[layer.places[unit, sources]] = True
            around[layer.readers[unit]] = offered[inputs] = True
            readers.append((layer.readers[unit], inputs))
        sources = layer.columns[living].flatten()
    narrow, places = network.narrowed(around)
    size = len(places)
    positions = torch.full((total + 1,), size)
    positions[places] = torch.arange(size)
    positions[total] = size
    extras = torch.full((size + 1, INPUTS + 1), size)
    for reading, inputs in readers:
        extras[positions[reading].unsqueeze(1), torch.arange(len(inputs))] = positions[inputs]
    offered = torch.cat([offered, offered.new_zeros(1)])[places]
    return Window(narrow, places, offered, extras[:-1])


def _layers(network: FrozenNetwork) -> Iterator[_Layer]:
    """Yields the layers but the last."""
    places = network.named(torch.arange(network.spec.total))
    names = [name for name, shape in network.spec.shapes.items() if len(shape) > 1]
    none = torch.zeros(0, dtype=torch.int64)
    for name, next_name in itertools.pairwise(names):
        here, above = places[name].flatten(1), places[next_name].flatten(1)
        columns = torch.arange(above.shape[1])
        if len(columns) % len(here):  # the next layer reads something else
            columns = columns[:0]
        columns = columns.reshape(len(here), -1) if len(columns) else columns.view(0, 1)
        readers = above[:, columns].transpose(0, 1).flatten(1)
        bias = places.get(name.replace("weight", "bias"), none)
        yield _Layer(name, next_name, here, bias, columns, readers)


def _random(
    layer: _Layer, units: Tensor, sources: Tensor, generator: torch.Generator
) -> Iterator[tuple[int, Tensor]]:
    """Yields units and the places of random inputs."""
    for unit in units.tolist():
        count = int(torch.randint(1, INPUTS + 1, (), generator=generator))
        inputs = layer.places[unit, drawn(sources, count, generator)]
        if torch.rand((), generator=generator) < 0.5:
            inputs = torch.cat([inputs, layer.bias[unit : unit + 1]])
        yield unit, inputs


def _promising(
    network: FrozenNetwork,
    layer: _Layer,
    idle: Tensor,
    sources: Tensor,
    most: int,
    pulls: Mapping[str, Pulls],
    generator: torch.Generator,
) -> Iterator[tuple[int, Tensor]]:
    """Yields idle units and the places of the inputs with which they promise most."""
    units = idle[torch.randint(len(idle), (COMPARED,), generator=generator)]
    draws = torch.rand(COMPARED, len(sources), generator=generator)
    chosen = draws.topk(min(INPUTS, len(sources)), dim=1).indices
    counts = torch.randint(1, chosen.shape[1] + 1, (COMPARED, 1), generator=generator)
    used = torch.arange(chosen.shape[1]) < counts
    biased = torch.rand(COMPARED, generator=generator) < 0.5
    inputs = layer.places[units.unsqueeze(1), sources[chosen]]
    weights = torch.zeros_like(draws).scatter_(1, chosen, network.weights[inputs] * used)
    if len(layer.bias):
        biases = network.weights[layer.bias[units]] * biased
    else:
        biases, biased = torch.zeros(COMPARED), biased & False
    values = torch.relu(pulls[layer.name].given[:, sources] @ weights.T + biases)  # (n, compared)
    above = pulls[layer.above]
    read = network.weights[layer.readers[units]]  # (compared, out)
    gains = 2 * read * (values.T @ above.first)
    gains -= read.square() * (values.square().T @ above.second.square())
    promise = gains.amax(1) / (1 + counts.squeeze(1) + biased)
    taken: set[int] = set()
    for place in promise.argsort(descending=True, stable=True).tolist():
        unit = int(units[place])
        if unit in taken:
            continue
        taken.add(unit)
        kept = inputs[place, : int(counts[place])]
        bias = layer.bias[unit : unit + int(biased[place])]
        yield unit, torch.cat([kept, bias])
        if len(taken) == most:
            return

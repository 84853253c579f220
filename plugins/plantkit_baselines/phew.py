"""PHEW: keep the paths of random walks from inputs and outputs, biased by large weights.

A walk starts at a unit of the first or of the last layer, in turns, and goes from unit to unit to
the other end, each step with a probability proportional to the weight's magnitude. What walks
have gone along is kept, until the budget is spent: kept weights lie on kept paths.

    P(i → j) = |θ_ji| / Σ_k |θ_ki| forwards,    P(j → i) = |θ_ji| / Σ_k |θ_jk| backwards

References:
    arXiv 2010.11354.

Differs from the paper: the budget is met exactly, so that of the last walk only the beginning
may be kept. In convolutions a walk goes from channel to channel, with the sum of a kernel's
magnitudes for the weight's, and along one entry of the kernel, drawn in proportion to its own
magnitude; on its way into a linear layer a channel stands for all of its pixels in the same
manner. A walk takes the biases of the units that it reaches along, since they are prunable here:
a network without any cannot tell rings around zero apart. Where walks find nothing new any more,
the largest weights fill up the budget, and biases come last.
"""

from dataclasses import dataclass

import torch

from plantkit import Mask, Problem, hookimpl, select

#: Walks drawn at once in each direction.
WALKS = 256
#: Draws in a row without a new weight after which the walks end.
PATIENCE = 20


def walk(
    magnitudes: list[torch.Tensor], count: int, generator: torch.Generator
) -> list[torch.Tensor]:
    """Returns the units (count,) int64 that walks visit, layer by layer from the first.

    magnitudes: of each layer's weights, (outputs, inputs). A unit that only zeros leave goes on
    anywhere.
    """
    place = torch.randint(magnitudes[0].shape[1], (count,), generator=generator)
    visited = [place]
    for matrix in magnitudes:
        chances = matrix.T[place]  # (count, outputs)
        dead = chances.sum(dim=1, keepdim=True) == 0
        chances = torch.where(dead, torch.ones_like(chances), chances)
        place = torch.multinomial(chances, 1, generator=generator).squeeze(1)
        visited.append(place)
    return visited


def by_channels(weights: list[torch.Tensor]) -> list[torch.Tensor]:
    """Returns each layer's weights as (outputs, channels, entries), one entry in a perceptron.

    The channels of a layer are the outputs of the one before.
    """
    channels = [weights[0].shape[1], *(weight.shape[0] for weight in weights)]
    return [
        weight.reshape(len(weight), count, -1)
        for weight, count in zip(weights, channels[:-1], strict=True)
    ]


def entries_walked(
    magnitudes: list[torch.Tensor], visited: list[torch.Tensor], generator: torch.Generator
) -> list[torch.Tensor]:
    """Returns the places (count,) int64 in each layer's flattened weights that walks go along.

    magnitudes: as from `by_channels`. visited: as from `walk`.
    """
    places = []
    for layer, kernels in enumerate(magnitudes):
        ends, starts = visited[layer + 1], visited[layer]
        place = ends * kernels.shape[1] + starts
        if kernels.shape[2] > 1:
            chances = kernels[ends, starts]  # (count, entries)
            dead = chances.sum(dim=1, keepdim=True) == 0
            chances = torch.where(dead, torch.ones_like(chances), chances)
            entry = torch.multinomial(chances, 1, generator=generator).squeeze(1)
            place = place * kernels.shape[2] + entry
        places.append(place)
    return places


@dataclass(frozen=True, kw_only=True)
class PhewPruner:
    """Keeps the paths of random walks."""

    name = "phew"
    reference = "arXiv 2010.11354"

    #: Whether walks take the biases of the units that they reach along.
    biases: bool = True

    def prune(self, problem: Problem, density: float, *, seed: int) -> Mask:
        problem = problem.at(density=density, seed=seed)
        generator, network, sizes = problem.generator, problem.network, problem.weights
        chain = [layer for layer in network.layers if network.main_layer(layer) == layer]
        kernels = by_channels([sizes[f"layers.{layer}.weight"].abs() for layer in chain])
        magnitudes = [kernel.sum(dim=2) for kernel in kernels]
        reverse = [matrix.T for matrix in reversed(magnitudes)]
        # Where in a walk the channels are that a layer makes; None for the inputs.
        place_of: dict[int | None, int] = {None: 0}
        place_of |= {layer: place for place, layer in enumerate(chain, start=1)}
        shortcuts = [
            (layer, place_of[network.preceding(layer)], place_of[network.main_layer(layer)])
            for layer in network.layers
            if layer not in place_of
        ]
        kept = {
            name: torch.zeros(shape, dtype=torch.bool) for name, shape in network.shapes.items()
        }
        left, idle = problem.budget, 0
        while idle < PATIENCE:
            forwards = walk(magnitudes, WALKS, generator)
            backwards = list(reversed(walk(reverse, WALKS, generator)))
            walked = []
            for visited in (forwards, backwards):
                entries = entries_walked(kernels, visited, generator)
                along = list(zip(chain, entries, visited[1:], strict=True))
                for layer, start, end in shortcuts:
                    matrix = by_channels([sizes[f"layers.{layer}.weight"].abs()])
                    (entry,) = entries_walked(matrix, [visited[start], visited[end]], generator)
                    along.append((layer, entry, visited[end]))
                walked.append(along)
            before = left
            for index in range(WALKS):
                for along in walked:
                    steps = []
                    for layer, entry, units in along:
                        steps.append((f"layers.{layer}.weight", int(entry[index])))
                        if self.biases:
                            steps.append((f"layers.{layer}.bias", int(units[index])))
                    new = [(name, place) for name, place in steps if not kept[name].view(-1)[place]]
                    for name, place in new[:left]:
                        kept[name].view(-1)[place] = True
                    left -= len(new[:left])
                    if left == 0:
                        return Mask(kept)
            idle = idle + 1 if left == before else 0
        # All that is within reach is kept: the rest by magnitude, weights before biases.
        ranks = {
            name: torch.where(kept[name], torch.inf, value.abs() if value.dim() > 1 else -1.0)
            for name, value in sizes.items()
        }
        return Mask(dict(select(ranks, problem.budget)))


@hookimpl
def plantkit_pruners() -> list[PhewPruner]:
    return [PhewPruner()]

"""What single changes of a mask do to the outputs of a perceptron, computed one by one for `seek`.

A change of one parameter moves one unit. So it is enough to compute the layers above that unit,
and of them the units that something reads.
"""

import itertools

import torch

from plantkit import FrozenNetwork

Tensor = torch.Tensor

#: Numbers that are computed at once, so that they fit into a processor's cache.
AT_ONCE = 150_000


@torch.no_grad()
def effects(
    network: FrozenNetwork, mask: Tensor, offered: Tensor, inputs: Tensor, columns: Tensor
) -> tuple[Tensor, Tensor, int]:
    """Returns the outputs (n, outputs), their changes (columns, n, outputs), and the cost.

    The cost is how many numbers were computed.

    mask: (total,) bool. offered: (total,) bool, parameters that have an effect only with what
    reads them: inputs of units that the mask does not read. columns: places of parameters; what
    the mask keeps is dropped, and the rest is added.
    """
    outputs, layers = network.traced((mask | offered).float(), inputs)
    kept = network.named(network.weights * mask)
    places = network.named(torch.arange(len(mask)))
    weights = network.weights[columns] * torch.where(mask[columns], -1.0, 1.0)
    found = outputs.new_zeros(len(columns), *outputs.shape)
    above = list(itertools.islice(layers.items(), 1, None))
    alive = [kept[name].any(0).nonzero().squeeze(1) for name, _ in above]  # of each hidden layer
    computed = 0
    for number, (name, (given, made)) in enumerate(layers.items()):
        ends = places[name], places[name.replace("weight", "bias")].unsqueeze(1)
        own = torch.cat(ends, dim=1)  # (out, in + 1)
        chosen, spots = (columns.unsqueeze(1) == own.flatten()).nonzero(as_tuple=True)
        units, sources = spots // own.shape[1], spots % own.shape[1]
        read = torch.cat([given.T, given.new_ones(1, len(given))])
        rest = list(zip(above[number:], alive[number:], strict=True))
        widths = [len(living) for _, living in rest[1:]] + [outputs.shape[1]]
        at_once = max(1, AT_ONCE // (len(inputs) * max(widths)))
        for some, unit, source in zip(
            *(torch.split(each, at_once) for each in (chosen, units, sources)), strict=True
        ):
            moved = weights[some].unsqueeze(1) * read[source]  # (changes, n)
            computed += len(some) * len(inputs) * (1 + sum(widths))
            if not rest:
                found[some, :, unit] = moved
                continue
            before = made.T[unit]
            moved = torch.relu(before + moved) - torch.relu(before)
            for place, ((upper, (_, sums)), living) in enumerate(rest):
                last = place == len(rest) - 1
                rows = slice(None) if last else rest[place + 1][1]
                if place:
                    moved = moved @ kept[upper][rows][:, living].T
                else:
                    moved = moved.unsqueeze(2) * kept[upper][rows][:, unit].T.unsqueeze(1)
                if not last:
                    before = sums[:, rows]
                    moved = torch.relu(moved + before).sub_(torch.relu(before))
            found[some] = moved
    return outputs, found, computed

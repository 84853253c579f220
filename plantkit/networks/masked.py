"""A masked network of any kind without its idle units, and what is left of it without an entry.

`plantkit.networks.subnetwork` does the same for perceptrons, layer by layer and faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from plantkit.networks.masks import Mask
from plantkit.networks.network import Network, flatten, layer_number
from plantkit.networks.training.trainer import EVALUATION_BATCH, evaluate

#: Numbers that a layer of all runs may make at once, about: 32 MiB of them.
_AT_ONCE = 1 << 23


class Traced(NamedTuple):
    """Samples and what comes out for them: inputs (n, d_in), outputs (n, d_out)."""

    inputs: Tensor
    outputs: Tensor


class MaskedNetwork:
    """The entries of `weights` that `mask` keeps, in the network that is left when idle units go.

    An entry is its number among the parameters of what is left.

    Attributes:
        entries: those that the mask keeps, in the order of the network.
    """

    def __init__(self, network: Network, weights: Mapping[str, Tensor], mask: Mask) -> None:
        row = mask.vector(network).unsqueeze(0)
        [small] = network.cut(row)
        places = network.places(row, small)[0]
        kept = torch.cat([row[0], row.new_zeros(1)])[places]
        if int(kept.sum()) < mask.kept:  # some entries do nothing; they are entries all the same
            small, places, kept = network, torch.arange(network.total), row[0]
        values = flatten(network, weights)
        values = torch.cat([values, values.new_zeros(1)])[places]
        self._network, self._small, self._places, self._values = network, small, places, values
        self._masked = values * kept
        self.entries: list[int] = kept.nonzero().squeeze(1).tolist()
        self._free = ~kept & (values != 0)
        sizes = torch.tensor(list(small.sizes.values()))
        layers = torch.tensor([layer_number(name) for name in small.shapes])
        self._layers = layers.repeat_interleave(sizes)  # of every parameter

    def candidates(self, entry: int, /) -> Tensor:
        """Returns numbers (count,) of the parameters that could take an entry's place.

        They are those of its layer that the mask leaves out, are not zero, and join units that
        it uses.
        """
        return (self._free & (self._layers == self._layers[entry])).nonzero().squeeze(1)

    def parameter(self, entry: int) -> tuple[str, tuple[int, ...]]:
        """Returns the parameter's name and index of an entry in the whole network."""
        place = int(self._places[entry])
        for name, size in self._network.sizes.items():
            if place < size:
                return name, tuple(map(int, np.unravel_index(place, self._network.shapes[name])))
            place -= size
        raise AssertionError(entry)

    def traced(self, inputs: Tensor, *, without: Sequence[int] = ()) -> Traced:
        """Returns what comes out less some entries for inputs (n, d_in)."""
        row = self._masked.clone()
        row[list(without)] = 0
        return Traced(inputs, self._outputs(row.unsqueeze(0), inputs)[0])

    def outputs_without(self, trace: Traced, out: int, into: Tensor | None = None) -> Tensor:
        """Returns outputs (count, n, d_out) less the entry `out`, each with one of `into` added.

        into: (count,) numbers of parameters; None for none, a count of 1.
        """
        rows = self._masked.repeat(1 if into is None else len(into), 1)
        rows[:, out] = 0
        if into is not None:
            rows[torch.arange(len(into)), into] = self._values[into]
        return self._outputs(rows, trace.inputs)

    def _outputs(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Returns outputs (runs, n, d_out) of parameters (runs, total)."""
        pixels = self._small.inputs // self._small.wiring.columns[0]
        widest = pixels * max(self._small.wiring.columns)
        together = max(1, _AT_ONCE // (min(len(inputs), EVALUATION_BATCH) * widest))
        parts = torch.split(rows, together)
        return torch.cat([evaluate(self._small, part, inputs) for part in parts])

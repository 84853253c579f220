"""Wide perceptrons of which little is kept, trained on the kept entries alone.

The entries of a layer, its biases among them, are a sparse matrix that all runs share: each run
has rows and columns of its own. A unit's value is a sum of rows of a table, which torch calls an
embedding bag. Derivatives are such sums, too, with the matrix turned. The gradient of an entry is
the product of a row and a column (`sampled_addmm`). Each sum takes a run's own entries in a fixed
order, so no run depends on another.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks.buffers import ALIGNMENT, Backpropagation, Layout
from plantkit.networks.network import Network, bias_name, unflatten, weight_name
from plantkit.networks.tasks import Task


@dataclass(frozen=True)
class _Layer:
    """One layer of all runs as a sparse matrix (runs * out, runs * in + 1); biases come last.

    columns, offsets: of each entry its column, of each row its first entry. order: the entries of
    the weights, by column. rows, starts: of each of these its row, of each column its first.
    """

    begin: int
    columns: Tensor
    offsets: Tensor
    order: Tensor
    rows: Tensor
    starts: Tensor

    def of(self, buffer: Tensor) -> Tensor:
        return buffer[self.begin : self.begin + len(self.columns)]


class Entries(Layout):
    """The entries that the masks (runs, total) keep, layer by layer, and nothing else.

    widths: of a perceptron's layers, inputs and outputs among them.
    """

    def __init__(self, network: Network, widths: Sequence[int], masks: Tensor) -> None:
        self._network, self._widths, self._runs = network, widths, len(masks)
        runs = self._runs
        kept = unflatten(network, masks)
        numbers = unflatten(network, torch.arange(network.total))
        self._layers: list[_Layer] = []
        places = []
        begin = 0
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            weight, bias = weight_name(layer), bias_name(layer)
            whole = torch.cat([kept[weight], kept[bias].unsqueeze(2)], dim=2)
            run, row, column = whole.nonzero(as_tuple=True)
            own = torch.cat([numbers[weight], numbers[bias].unsqueeze(1)], dim=1)
            places.append(run * network.total + own[row, column])
            rows = run * fan_out + row
            columns = torch.where(column < fan_in, run * fan_in + column, runs * fan_in)
            order = torch.argsort(columns, stable=True)[: int((column < fan_in).sum())]
            self._layers.append(
                _Layer(
                    begin=begin,
                    columns=columns.int(),
                    offsets=_starts(rows, runs * fan_out),
                    order=order.int(),
                    rows=rows[order].int(),
                    starts=_starts(columns[order], runs * fan_in),
                )
            )
            begin += len(columns)
        self._places = torch.cat(places)  # in (runs * total)
        self.size = begin + -begin % ALIGNMENT

    def write(self, rows: Tensor, buffer: Tensor) -> None:
        buffer[: len(self._places)] = rows.reshape(-1)[self._places]

    def read(self, buffer: Tensor) -> Tensor:
        rows = buffer.new_zeros(self._runs * self._network.total)
        rows[self._places] = buffer[: len(self._places)]
        return rows.view(self._runs, -1)

    def kept(self) -> None:
        return None  # nothing is pruned here

    def backpropagation(self, task: Task, values: Tensor, gradients: Tensor) -> Backpropagation:
        widths, runs = self._widths, self._runs
        parts: list[tuple[_Layer, Tensor, Tensor]] = []
        for layer, (fan_in, fan_out) in zip(self._layers, itertools.pairwise(widths), strict=True):
            shape = (runs * fan_out, runs * fan_in + 1)
            gradient = _matrix(layer.offsets, layer.columns, layer.of(gradients), shape)
            parts.append((layer, layer.of(values), gradient))
        #: By batch length, what each layer reads: (runs * in + 1, count), the last row of ones.
        memory: dict[int, list[Tensor]] = {}
        threshold: Any = torch.ops.aten.threshold_backward.grad_input

        def backpropagate(inputs: Tensor, targets: Tensor) -> None:
            count = inputs.shape[1]
            if count not in memory:
                memory[count] = [torch.ones(runs * width + 1, count) for width in widths[:-1]]
            tables = memory[count]
            tables[0][:-1].view(runs, -1, count).copy_(inputs.transpose(1, 2))
            made = tables[0]
            for (layer, own, _), table in zip(parts, tables, strict=True):
                if table is not tables[0]:
                    torch.clamp_min(made, 0, out=table[:-1])
                made = _sums(table, layer.columns, layer.offsets, own)  # (runs * out, count)
            outputs = made.view(runs, -1, count).transpose(1, 2)
            delta = task.loss_gradient(outputs, targets).transpose(1, 2).reshape(made.shape)
            for (layer, own, gradient), table in zip(
                reversed(parts), reversed(tables), strict=True
            ):
                torch.sparse.sampled_addmm(gradient, delta, table.T, beta=0.0, out=gradient)
                if table is not tables[0]:
                    turned = torch.index_select(own, 0, layer.order)
                    delta = _sums(delta, layer.rows, layer.starts, turned)  # (runs * in, count)
                    threshold(delta, table[:-1], 0, grad_input=delta)

        return backpropagate


def _matrix(offsets: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Returns a sparse matrix in rows, which has the memory of `values`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(offsets, columns, values, shape, check_invariants=True)


def _sums(table: Tensor, rows: Tensor, offsets: Tensor, factors: Tensor) -> Tensor:
    """Returns sums of rows of a table, each times its factor."""
    made: Tensor = torch.embedding_bag(table, rows, offsets, False, 0, False, factors, True)[0]
    return made


def _starts(sorted_numbers: Tensor, count: int) -> Tensor:
    """Returns where each of the numbers 0 to `count` begins, (count + 1,) int32."""
    counts = torch.bincount(sorted_numbers, minlength=count)
    return functional.pad(counts.cumsum(0), (1, 0)).int()

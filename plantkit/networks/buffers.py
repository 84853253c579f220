"""How the parameters of many runs lie in the trainer's flat buffers.

Adam goes over flat buffers, whatever they hold. A layout says where each parameter lies there, and
computes gradients from what it finds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from plantkit.networks.tasks import Task

#: Computes the gradients of every run's mean loss in place, for inputs (runs, count, inputs) and
#: targets (runs, count) or (runs, count, outputs).
Backpropagation = Callable[[Tensor, Tensor], None]

#: Floats in a cache line. Every block begins at one, and a buffer ends with one: Adam rounds what
#: does not fill a vector register in another way.
ALIGNMENT = 16


class Layout(ABC):
    """Where the parameters of many runs lie in a flat buffer.

    size: how many floats a buffer has.
    """

    size: int

    @abstractmethod
    def write(self, rows: Tensor, buffer: Tensor) -> None:
        """Writes parameters (runs, total) into a buffer (size,)."""

    @abstractmethod
    def read(self, buffer: Tensor) -> Tensor:
        """Returns the parameters (runs, total) of a buffer (size,), as a copy."""

    @abstractmethod
    def kept(self) -> Tensor | None:
        """Returns what gradients are multiplied by, (size,); None if that changes nothing."""

    @abstractmethod
    def backpropagation(self, task: Task, values: Tensor, gradients: Tensor) -> Backpropagation:
        """Returns what writes the gradients of the buffer `values` into `gradients`."""


class Blocks(Layout):
    """Each parameter of all runs in one block (runs, *shape), pruned entries among them.

    shapes: of one run's parameters, by name. masks: (runs, total) bool, on the device that trains.
    backpropagation: the network's.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        masks: Tensor,
        backpropagation: Callable[
            [Task, Mapping[str, Tensor], Mapping[str, Tensor]], Backpropagation
        ],
    ) -> None:
        self._shapes, self._masks, self._backpropagation = shapes, masks, backpropagation
        sizes = [len(masks) * math.prod(shape) for shape in shapes.values()]
        self._padded = [size + -size % ALIGNMENT for size in sizes]
        self.size = sum(self._padded)

    def write(self, rows: Tensor, buffer: Tensor) -> None:
        blocks = self._named(buffer)
        begin = 0
        for name, shape in self._shapes.items():
            size = math.prod(shape)
            blocks[name].copy_(rows[:, begin : begin + size].view(-1, *shape))
            begin += size

    def read(self, buffer: Tensor) -> Tensor:
        blocks = self._named(buffer)
        return torch.cat([blocks[name].flatten(1) for name in self._shapes], dim=1)

    def kept(self) -> Tensor | None:
        if bool(self._masks.all()):
            return None
        found = torch.zeros(self.size, device=self._masks.device)
        self.write(self._masks, found)
        return found

    def backpropagation(self, task: Task, values: Tensor, gradients: Tensor) -> Backpropagation:
        return self._backpropagation(task, self._named(values), self._named(gradients))

    def _named(self, buffer: Tensor) -> Mapping[str, Tensor]:
        """Returns the parameters' blocks of a buffer, name to (runs, *shape)."""
        runs = len(self._masks)
        return {
            name: _laid_out(block[: runs * math.prod(shape)], (runs, *shape))
            for (name, shape), block in zip(
                self._shapes.items(), torch.split(buffer, self._padded), strict=True
            )
        }


def _laid_out(block: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Returns a view of `block` in `shape`; of a kernel, the channels that it reads lie last.

    So convolutions take it as it is.
    """
    if len(shape) != 5:
        return block.view(shape)
    runs, made, read, rows, columns = shape
    return block.view(runs, made, rows, columns, read).permute(0, 1, 4, 2, 3)

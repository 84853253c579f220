"""Cutting idle units away before training, exactly, and putting them back after it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.networks import Network, PerceptronSpec, unflatten
from plantkit.networks.connectivity import trainable_units

#: Floats in a vector register, and in a cache line: the least width that is cut to.
ALIGNMENT = 16
#: Hidden widths are padded to multiples of it. Products of two then start at a cache line for
#: every run; where they do not, sums may depend on a run's place in its batch.
_WIDTH_MULTIPLE = 4
#: The cap of a network that is trained as it is.
WHOLE = -1


def width_caps(spec: Network, masks: Tensor) -> list[int]:
    """Returns the width that each run's hidden layers are cut to: 0, 16, 32, 64, ...

    It depends on the run alone, never on those beside it: a matrix product of another shape
    may round its sums in another order. 0 stands for a constant output. Only multilayer
    perceptrons are cut; any other network stays `WHOLE`.

    Args:
        masks: (runs, total) bool.
    """
    if not isinstance(spec, PerceptronSpec):
        return [WHOLE] * len(masks)
    units = trainable_units(spec, unflatten(spec, masks))
    if not units:  # no hidden layer: nothing to cut
        return [ALIGNMENT] * len(masks)
    alive = torch.stack([layer.sum(dim=1) for layer in units]).amax(dim=0)
    return [_width_cap(int(count)) for count in alive]


def cut_spec(spec: Network, cap: int) -> Network:
    """Returns the network that runs of `spec` are trained in when cut to `cap`."""
    if not isinstance(spec, PerceptronSpec):
        return spec
    if cap == 0:
        return PerceptronSpec(widths=(1, spec.outputs))
    hidden = (min(cap, width + -width % _WIDTH_MULTIPLE) for width in spec.widths[1:-1])
    return PerceptronSpec(widths=(spec.inputs, *hidden, spec.outputs))


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRuns:
    """Runs of one network with their idle units cut away and padded to common widths.

    `gather` (runs, cut total) holds the place of every cut parameter in the full vector;
    `real` is False where a cut parameter is padding.
    """

    spec: Network
    gather: Tensor
    real: Tensor

    @classmethod
    def of(cls, spec: Network, masks: Tensor, cap: int) -> CutRuns:
        """Returns the layout for runs with masks (runs, total) bool whose cap is `cap`."""
        compact = cut_spec(spec, cap)
        runs = masks.shape[0]
        if not (isinstance(spec, PerceptronSpec) and isinstance(compact, PerceptronSpec)):
            everything = torch.arange(spec.total).expand(runs, -1)
            return cls(spec=compact, gather=everything, real=torch.ones_like(masks))
        if cap == 0:
            # One weight an output that is never real, then the output biases.
            gather = torch.arange(spec.total - 2 * spec.outputs, spec.total)
            gather = gather.clamp_min(0).expand(runs, -1)
            real = (torch.arange(2 * spec.outputs) >= spec.outputs).expand(runs, -1)
            return cls(spec=compact, gather=gather, real=real)
        alive = [
            torch.ones(runs, spec.inputs, dtype=torch.bool),
            *trainable_units(spec, unflatten(spec, masks)),
            torch.ones(runs, spec.outputs, dtype=torch.bool),
        ]
        # Alive units first, in their order; (runs, width).
        chosen = [
            _padded(torch.sort(layer.int(), dim=1, descending=True, stable=True).indices, width)
            for layer, width in zip(alive, compact.widths, strict=True)
        ]
        is_alive = [
            torch.gather(layer, 1, index) & (torch.arange(index.shape[1]) < layer.shape[1])
            for layer, index in zip(alive, chosen, strict=True)
        ]
        gather_parts, real_parts = [], []
        offset = 0
        for layer in spec.layers:
            fan_in, fan_out = spec.widths[layer], spec.widths[layer + 1]
            rows, columns = chosen[layer + 1].unsqueeze(2), chosen[layer].unsqueeze(1)
            gather_parts.append((offset + rows * fan_in + columns).flatten(1))
            real_parts.append(
                (is_alive[layer + 1].unsqueeze(2) & is_alive[layer].unsqueeze(1)).flatten(1)
            )
            offset += fan_in * fan_out
            gather_parts.append(offset + chosen[layer + 1])
            real_parts.append(is_alive[layer + 1])
            offset += fan_out
        return cls(
            spec=compact,
            gather=torch.cat(gather_parts, dim=1),
            real=torch.cat(real_parts, dim=1),
        )

    def take(self, full: Tensor) -> Tensor:
        """Returns the cut part (runs, cut total) of (runs, total); padding is zero."""
        return torch.gather(full, 1, self.gather) * self.real

    def put_back(self, compact: Tensor, full: Tensor) -> Tensor:
        """Returns `full` (runs, total) with the cut parameters in their places."""
        runs = torch.arange(len(full)).unsqueeze(1).expand_as(self.gather)
        restored = full.clone()
        restored[runs[self.real], self.gather[self.real]] = compact[self.real]
        return restored


def _width_cap(alive: int) -> int:
    return max(ALIGNMENT, 1 << (alive - 1).bit_length()) if alive else 0


def _padded(indices: Tensor, width: int) -> Tensor:
    """Returns the first `width` of indices (runs, units); beyond the last unit, zeros."""
    return functional.pad(indices, (0, max(0, width - indices.shape[1])))[:, :width]

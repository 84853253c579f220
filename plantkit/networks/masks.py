"""Masks: which parameters are kept, their density, and their overlap with a ticket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plantkit.errors import MaskError, did_you_mean
from plantkit.networks import Network, flatten, unflatten


class Mask(Mapping[str, Tensor]):
    """Parameter name to bool tensor, True where the parameter is kept.

    A mask is a read-only mapping; it holds copies of what it was given.

    Args:
        values: name to tensor of 0/1 or bool, any shape.
        saliency: the importances that the mask was chosen by, name to float tensor of the
            same shapes, or None. Only the average precision uses them.

    Raises:
        MaskError: a value is not 0 or 1.
    """

    __slots__ = ("_values", "saliency")

    def __init__(
        self, values: Mapping[str, Any], *, saliency: Mapping[str, Tensor] | None = None
    ) -> None:
        self._values = {name: _as_bool(name, value) for name, value in values.items()}
        self.saliency = (
            None
            if saliency is None
            else {name: value.detach().clone() for name, value in saliency.items()}
        )

    def __getitem__(self, name: str) -> Tensor:
        return self._values[name].clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Mask(kept={self.kept}, total={self.total}, density={self.density:.4g})"

    @classmethod
    def from_vector(cls, spec: Network, vector: Tensor) -> Mask:
        """Returns the mask whose flattened entries, in the order of `spec`, are `vector`."""
        return cls(unflatten(spec, vector))

    @classmethod
    def full(cls, spec: Network) -> Mask:
        """Returns the mask that keeps every parameter of `spec`."""
        return cls.from_vector(spec, torch.ones(spec.total, dtype=torch.bool))

    def vector(self, spec: Network) -> Tensor:
        """Returns the entries as one bool vector (total,) in the order of `spec`."""
        return flatten(spec, self)

    @property
    def kept(self) -> int:
        return sum(int(value.sum()) for value in self._values.values())

    @property
    def total(self) -> int:
        return sum(value.numel() for value in self._values.values())

    @property
    def density(self) -> float:
        """Kept over total, weights and biases together, in [0, 1]."""
        return self.kept / self.total

    @property
    def sparsity(self) -> float:
        """1 - density."""
        return 1.0 - self.density

    def digest(self) -> str:
        """SHA-256 of names, shapes and entries; equal masks have equal digests."""
        state = hashlib.sha256()
        for name in sorted(self._values):
            value = self._values[name]
            state.update(f"{name}{tuple(value.shape)}".encode())
            state.update(np.packbits(value.numpy()).tobytes())
        return state.hexdigest()


def validate_mask(values: object, spec: Network, budget: int) -> Mask:
    """Returns `values` as a `Mask` that keeps at most `budget` parameters of `spec`.

    Raises:
        MaskError: not a mapping, wrong names or shapes, values other than 0 and 1, or more
            kept than `budget`.
    """
    if not isinstance(values, Mapping):
        forgotten = "; is its 'return' missing?" if values is None else ""
        raise MaskError(
            f"prune() returned {type(values).__name__}; expected a mapping from parameter names "
            f"to 0/1 tensors{forgotten}"
        )
    shapes = spec.shapes
    for name in values:
        if name not in shapes:
            raise MaskError(
                f"mask has an entry {name!r}, which is not a parameter"
                f"{did_you_mean(str(name), shapes)}; expected {', '.join(shapes)}",
                parameter=str(name),
            )
    for name, shape in shapes.items():
        if name not in values:
            raise MaskError(
                f"mask has no entry for {name!r}; expected a 0/1 tensor of shape {shape}",
                parameter=name,
            )
        found = tuple(_as_tensor(name, values[name]).shape)
        if found != shape:
            raise MaskError(
                f"mask for {name!r} has shape {found}; expected {shape}", parameter=name
            )
    ordered = {name: values[name] for name in shapes}
    mask = Mask(ordered, saliency=values.saliency if isinstance(values, Mask) else None)
    if mask.kept > budget:
        is_inverted = 0 < spec.total - mask.kept <= budget
        raise MaskError(
            f"mask keeps {mask.kept} parameters; expected at most {budget} "
            f"(density {budget / spec.total:.6g} of {spec.total})"
            f"{'; is it inverted? 1 means keep' if is_inverted else ''}"
        )
    return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How a mask agrees with the ticket, entry by entry.

    `lift` is precision over the precision expected of a random mask of the same density
    (the ticket's density). Ratios with a zero denominator are 0.
    """

    true_positives: int
    precision: float
    recall: float
    f1: float
    iou: float
    lift: float


def overlap(mask: Mask, ticket: Mask) -> Overlap:
    """Returns the overlap of `mask` with `ticket`; both have the same names and shapes."""
    hits = sum(int((mask[name] & ticket[name]).sum()) for name in ticket)
    kept, planted = mask.kept, ticket.kept
    precision = hits / kept if kept else 0.0
    recall = hits / planted if planted else 0.0
    return Overlap(
        true_positives=hits,
        precision=precision,
        recall=recall,
        f1=2 * hits / (kept + planted) if kept + planted else 0.0,
        iou=hits / (kept + planted - hits) if kept + planted - hits else 0.0,
        lift=precision / ticket.density if planted else 0.0,
    )


def average_precision(saliency: Mapping[str, Tensor], ticket: Mask) -> float:
    """Returns the area under the precision-recall curve of `saliency` against `ticket`.

    Entries of equal saliency are taken together, so the order of ties does not matter.
    """
    scores = torch.cat([saliency[name].double().reshape(-1) for name in ticket]).numpy()
    labels = torch.cat([ticket[name].reshape(-1) for name in ticket]).numpy()
    planted = np.sort(scores[labels])
    # Only where an entry of the ticket comes in does recall grow; highest saliency first.
    thresholds = np.unique(planted)[::-1]
    hits = len(planted) - np.searchsorted(planted, thresholds)
    taken = len(scores) - np.searchsorted(np.sort(scores), thresholds)
    recall = np.concatenate([[0.0], hits / len(planted)])
    return float(np.sum(np.diff(recall) * hits / taken))


def _as_tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        where = f" on device {value.device}" if isinstance(value, Tensor) else ""
        raise MaskError(
            f"mask for {name!r} is {type(value).__name__}{where}; expected a tensor or array of "
            "0/1",
            parameter=name,
        ) from error


def _as_bool(name: str, value: Any) -> Tensor:
    tensor = _as_tensor(name, value)
    if tensor.dtype == torch.bool:
        return tensor.clone()
    wrong = (tensor != 0) & (tensor != 1)  # NaN differs from both
    count = int(wrong.sum())
    if count:
        first = tuple(int(index) for index in wrong.nonzero()[0])
        raise MaskError(
            f"mask for {name!r} holds {count} values other than 0 and 1, the first at {first}: "
            f"{tensor[first].item()}; expected only 0 and 1",
            parameter=name,
        )
    return tensor != 0

"""Masks in what a pruner returned: modules and state dicts pruned with torch.nn.utils.prune.

torch keeps a pruned parameter `weight` as `weight_orig`, and its mask as the buffer `weight_mask`.
A parameter without a mask was not pruned, and so is kept. Other buffers, such as the statistics of
batch normalisation, are no masks and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plantkit.errors import MaskError
from plantkit.networks import Network
from plantkit.networks.masks import Mask, validate_mask

_MASK = "_mask"
_ORIGINAL = "_orig"


def mask_of(answer: object, network: Network, budget: int) -> Mask:
    """Returns the mask in what `prune()` returned, validated.

    Raises:
        MaskError: as `masks_in` and `validate_mask`.
    """
    masks = masks_in(answer, network)
    try:
        return validate_mask(masks, network, budget)
    except MaskError as error:
        unpruned = masks.unpruned if isinstance(masks, _TorchMasks) else ()
        if not unpruned or error.parameter is not None:
            raise
        raise MaskError(f"{error}; without a mask, and so kept: {', '.join(unpruned)}") from error


class _TorchMasks(dict[str, Any]):
    """Masks by parameter. unpruned: the parameters that had none."""

    unpruned: tuple[str, ...] = ()


def masks_in(answer: object, network: Network) -> object:
    """Returns the masks in what `prune()` returned; what has no form of torch's, as it is.

    Args:
        answer: a module, its `named_buffers()` or `state_dict()`, or anything else.

    Raises:
        MaskError: a module without masks, or pruned weights instead of masks.
    """
    if isinstance(answer, nn.Module):
        answer = dict(answer.named_buffers())
        if not _has_masks(answer):
            raise MaskError(
                "prune() returned a module without masks of torch.nn.utils.prune; expected one "
                "with masks: return it before prune.remove(), or return "
                "{name: weight != 0 for name, weight in module.named_parameters()}"
            )
    elif isinstance(answer, Iterator | list | tuple):
        answer = _mapping(answer)
    if not isinstance(answer, Mapping):
        return answer
    if _has_masks(answer):
        return _masks(answer, network)
    if any(str(name).endswith(_ORIGINAL) for name in answer):
        raise MaskError(
            "prune() returned the parameters of a pruned module without their masks; return the "
            "module itself, or its named_buffers()"
        )
    if _are_pruned_weights(list(answer.values())):
        raise MaskError(
            "prune() returned pruned weights; expected their masks: return "
            "{name: weight != 0 for name, weight in weights.items()}"
        )
    return answer


def _has_masks(answer: Mapping[Any, Any]) -> bool:
    return any(str(name).endswith(_MASK) for name in answer)


def _mapping(items: Iterable[Any]) -> object:
    """Returns pairs of names and values, as `named_buffers()` yields them, as a mapping."""
    found = list(items)
    pairs = [item for item in found if isinstance(item, tuple) and len(item) == 2]
    if found and len(pairs) == len(found) and all(isinstance(name, str) for name, _ in pairs):
        return dict(pairs)
    return items


def _masks(answer: Mapping[Any, Any], network: Network) -> _TorchMasks:
    """Returns one mask for every parameter: its own, or ones where it was not pruned.

    In a state dict, which has `weight_orig` too, an entry `bias` is a parameter; else it is a mask.
    An entry of another kind, such as `running_mean`, is neither.
    """
    kinds = {name.rpartition(".")[2] for name in network.shapes}
    is_state = any(str(name).endswith(_ORIGINAL) for name in answer)
    own = {str(name): value for name, value in answer.items() if str(name).endswith(_MASK)}
    plain = {str(name): value for name, value in answer.items() if str(name) not in own}
    masks = _TorchMasks(
        (name, value)
        for name, value in plain.items()
        if name.rpartition(".")[2].removesuffix(_ORIGINAL) in kinds
        and not (is_state and name.removesuffix(_ORIGINAL) in network.shapes)
    )
    masks.update((name.removesuffix(_MASK), value) for name, value in own.items())
    masks.unpruned = tuple(name for name in network.shapes if name not in masks)
    for name in masks.unpruned:
        masks[name] = torch.ones(network.shapes[name], dtype=torch.bool)
    return masks


def _are_pruned_weights(values: list[Any]) -> bool:
    """Whether all are floats, some zero and some neither 0 nor 1 nor between."""
    tensors = [value.detach() for value in values if isinstance(value, Tensor)]
    if not tensors or len(tensors) < len(values):
        return False
    return (
        all(tensor.is_floating_point() for tensor in tensors)
        and any(bool((tensor == 0).any()) for tensor in tensors)
        and any(bool(((tensor < 0) | (tensor > 1)).any()) for tensor in tensors)
    )

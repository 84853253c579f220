"""The file that holds a pruner's answer: a mask, and the saliency that it comes from."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from plantkit.errors import MaskError
from plantkit.isolation.scratch import NotRegularError, read_regular
from plantkit.isolation.wire import ANSWER_FILE, MASK_PREFIX, MOST_TEXT_BYTES, SALIENCY_PREFIX
from plantkit.networks import Network
from plantkit.networks.masks import Mask, validate_mask


def write_answer(cell: Path, mask: Mask) -> None:
    """Writes `mask`, and its saliency if it has one, as the answer of a cell."""
    tensors = {f"{MASK_PREFIX}{name}": value for name, value in mask.items()}
    for name, value in (mask.saliency or {}).items():
        tensors[f"{SALIENCY_PREFIX}{name}"] = value.detach().double().contiguous()
    safetensors.torch.save_file(tensors, cell / ANSWER_FILE)


def read_answer(path: Path, network: Network, budget: int) -> Mask:
    """Returns the validated mask in an answer file, which is not trusted.

    Raises:
        MaskError: the file is too large, is not a safetensors file, or holds no valid mask.
    """
    most = 9 * network.total + MOST_TEXT_BYTES  # per parameter a byte of mask, eight of saliency
    try:
        content = read_regular(path, most + 1)
    except OSError as error:
        reason = str(error) if isinstance(error, NotRegularError) else "cannot be read"
        raise MaskError(f"the answer is {reason}; expected a regular file") from error
    if len(content) > most:
        raise MaskError(f"the answer is larger than {most} bytes, the most that a mask can need")
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise MaskError(f"the answer is not a safetensors file: {error}") from error
    values = {
        name.removeprefix(MASK_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(MASK_PREFIX)
    }
    for name, tensor in values.items():
        # torch trusts that the bytes of a bool are 0 or 1; a file can hold anything
        if tensor.dtype is torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise MaskError(f"mask for {name!r} holds bytes other than 0 and 1", parameter=name)
    try:
        mask = validate_mask(values, network, budget)
    except (ValueError, TypeError, RuntimeError) as error:
        raise MaskError(f"the answer does not hold a mask: {error}") from error
    return Mask(mask, saliency=_saliency(tensors, network))


def _saliency(tensors: dict[str, torch.Tensor], network: Network) -> dict[str, torch.Tensor] | None:
    """Returns the saliency in an answer, float64, or None where it is incomplete or not numbers."""
    found = {}
    for name, shape in network.shapes.items():
        tensor = tensors.get(SALIENCY_PREFIX + name)
        if tensor is None or tuple(tensor.shape) != shape or tensor.dtype is not torch.float64:
            return None
        if tensor.isnan().any():
            return None
        found[name] = tensor
    return found

"""Masks of many runs in one small file: a bit for each parameter."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save

from plantkit.networks.masks import Mask

_SHAPES = "shapes"


def packed(masks: Mapping[str, Mask]) -> bytes:
    """Returns masks by name as the content of a safetensors file: packed bits, uint8.

    Its metadata has the shapes of each mask's parameters, in the order of their bits.
    """
    tensors, shapes = {}, {}
    for name, mask in masks.items():
        flat = [value.numpy().astype(bool).ravel() for value in mask.values()]
        tensors[name] = np.packbits(np.concatenate(flat))
        shapes[name] = [[key, list(value.shape)] for key, value in mask.items()]
    return save(tensors, metadata={_SHAPES: json.dumps(shapes)})


def unpacked(content: bytes) -> dict[str, Mask]:
    """Returns the masks in the content of such a file, by name."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    shapes = json.loads(header["__metadata__"][_SHAPES])
    return {name: _mask(shapes[name], bits) for name, bits in load(content).items()}


def _mask(shapes: list[tuple[str, list[int]]], packed_bits: NDArray[np.uint8]) -> Mask:
    sizes = [math.prod(shape) for _, shape in shapes]
    bits = np.unpackbits(packed_bits, count=sum(sizes)).astype(bool)
    pieces = np.split(bits, np.cumsum(sizes)[:-1])
    return Mask(
        {
            name: torch.from_numpy(piece.reshape(shape))
            for (name, shape), piece in zip(shapes, pieces, strict=True)
        }
    )

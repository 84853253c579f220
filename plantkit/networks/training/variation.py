"""Images that look different each time a run sees them: mirrored, and moved by a few pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

#: Keeps these draws apart from those of the order of the data.
_STREAM = 1


def varied(
    inputs: Tensor,
    image: tuple[int, int, int],
    seeds: Sequence[int],
    step: int,
    *,
    shift: int,
    mirrored: bool,
) -> Tensor:
    """Returns images (runs, n, inputs) as runs of these seeds see them in a step.

    Each is moved by up to `shift` pixels down and right, or up and left; zeros come in. Runs of
    one seed see the same.

    Args:
        image: (channels, height, width).
    """
    runs, count, (channels, height, width) = *inputs.shape[:2], image
    drawn = {seed: _draws(seed, step, count, shift) for seed in set(seeds)}
    draws = torch.stack([drawn[seed] for seed in seeds]).reshape(runs * count, 3).to(inputs.device)
    images = inputs.reshape(runs * count, channels, height, width)
    if mirrored:
        images = torch.where((draws[:, 2] > 0).view(-1, 1, 1, 1), images.flip(3), images)
    padded = functional.pad(images, (shift,) * 4)
    each = torch.arange(runs * count, device=inputs.device)[:, None, None]
    rows = draws[:, :1] + torch.arange(height, device=inputs.device)  # (images, height)
    columns = draws[:, 1:2] + torch.arange(width, device=inputs.device)
    # (images, rows, columns, channels): indexed axes come first where a slice stands between
    taken = padded[each, :, rows[:, :, None], columns[:, None, :]]
    return taken.permute(0, 3, 1, 2).reshape(inputs.shape)


def _draws(seed: int, step: int, count: int, shift: int) -> Tensor:
    """Returns (n, 3) int64: first row and column, in 0 to 2 · shift, and whether it is mirrored."""
    rng = np.random.Generator(np.random.PCG64([seed, step, _STREAM]))
    return torch.from_numpy(rng.integers(0, (2 * shift + 1, 2 * shift + 1, 2), (count, 3)))
